# @title Set-up: Colab, Kaggle or your clone; torch and numpy stay
import os
import subprocess
import sys
from importlib import import_module, metadata, util
from pathlib import Path

if [int(n) for n in metadata.version("torch").split(".")[:2]] < [2, 9]:
    sys.exit("PyTorch 2.9 or newer is needed: choose a newer runtime.")
get, here = os.environ.get, Path.cwd()
home = Path(get("DETLEARN_HOME", here / "detlearn-course")).resolve()
places = [home, here, *here.parents]
roots = [p for p in places if (p / "detlearn/boxes/nms.py").exists()]
repo = get("DETLEARN_REPO", "@REPOSITORY@")
ref = get("DETLEARN_REF", "@REF@")
clone = f'git clone -q --depth=1 --branch {ref} {repo} "{home}"'
missing = [p for p in ("torchinfo", "tqdm") if not util.find_spec(p)]
pip = f'"{sys.executable}" -m pip install --no-deps {" ".join(missing)}'
found = roots or getattr(util.find_spec("detlearn"), "origin", None)
for command in [clone] * (not found) + [pip] * bool(missing):
    if (said := subprocess.getstatusoutput(command))[0]:
        sys.exit(f"{said[1]}\nNo network? On Kaggle, switch Internet on.")
sys.path.insert(0, str(roots[0] if roots else home))
course = import_module("detlearn.boxes").__package__  # a stranger has none
print(course.split(".")[0], "ready")
