# %% [markdown] id="title" slide="slide"
# # 14 · SSD on Colab, for real
#
# **One question: how do you train a published SSD on VOC or COCO with nothing but a browser and a Drive?**
#
# You have no GPU. Colab lends you one for some hours, and then it takes everything back: the card, the disk, the variables. Training an SSD takes longer than that. In this chapter you plan a long training, run it over several sessions, lose a session on purpose, and end with weights, a score and a report in your Drive. Then you train on your own pictures.
#
# Afterwards you will be able to
#
# - say before you start how many gigabytes and how many sessions a training needs;
# - keep what must survive on the Drive, and what must be fast off it;
# - check data, network and code in a minute, before you spend hours;
# - resume after a lost session as if it had not been lost;
# - fine-tune a trained detector on pictures and classes of your own.
#
# **{minutes} minutes** with the exercises. Before it: notebook 05 (the training loop), and a Google account if you want the GPU.

# %% id="setup" slide="skip" tags=["setup"]
# The builder fills this cell; cells are wrapped by hand, for narrow windows:
# fmt: off
# ruff: noqa: I001

# %% id="imports" slide="skip"
import math
import tempfile
import time
from contextlib import chdir
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile

import torch
from detlearn import (
    create_model, load_backbone, load_initial_weights, load_model,
    metrics, show, training)
from detlearn.__main__ import main
from detlearn.data import (
    Shapes, collate, coverage_by_shape, data_path, draw_stand_in,
    input_boxes, open_dataset, read_image, shapes_train_transform,
    train_transform, write_coin_windows)
from detlearn.data.download import DATASETS
from detlearn.models.weights import read_tensors
from detlearn.teach.exercises import nb14
from detlearn.teach.prove import prove
from detlearn.training import RECIPES, TrainConfig
from detlearn.training.recipes import BACKBONE_FILES


# %% [markdown] id="two-worlds" slide="slide" tags=["lead", "beside:ten-pictures"]
# **The same cells run twice in your life.** As they stand they train on a small drawn data set that lies on the disk exactly as VOC does, on any two processor cores, in about a minute. Read the chapter once like that.
#
# For the real training you first choose *File → Save a copy in Drive*, because a notebook that was opened from GitHub forgets your changes, and *Runtime → Change runtime type*, for a GPU. Then you change one line, `FULL = True`. Then *Runtime → Run all*. On every further evening you open **your copy**, choose the GPU and run all of it again. A new session has an empty disk and no variables, so no cell can be left out.
#
# Here is the whole plan. A session is lent to you; the Drive is yours:
#
# ```
#    session 1            session 2            session 3
#  GPU, fast disk       GPU, fast disk       GPU, fast disk      taken away each time
#     │     ▲              │     ▲              │     ▲
#     ▼     │              ▼     │              ▼     │
#  ══════════════════════════ Drive ══════════════════════════   stays
#    archives · checkpoints · weights · report
# ```
#
# <!-- speaker: Say what runs in this room in a minute, and what runs at home for nights. -->

# %% [markdown] id="notes-two-worlds" slide="notes"
# > *For the speaker.* Draw the line of the Drive on the board first. Then ask of each thing on which side of it it belongs: pictures, checkpoints, the course, the variables. Whoever has lost a run to a closed laptop may tell it now.

# %% [markdown] id="choose" slide="slide"
# ## 1 · Choose, and count what it costs
#
# Three choices decide everything: the data, the network, and the hours that a session lasts. Free Colab promises no number of hours. Four is a careful guess.
#
# <!-- speaker: Ask who has lost a session of Colab, and what was lost with it. -->

# %% id="choice" slide="-"
FULL = False  # True: download and train for hours, on a GPU
DATA = "voc"  # "voc" (07+12, 20 classes) or "coco" (80 classes)
NETWORK = "ssd300_vgg16"  # the paper's; or "ssd300_resnet50"
HOURS = 4  # of a session

ON_COLAB = find_spec("google") and find_spec("google.colab")
device = training.pick_device(None if FULL else "cpu")
name = NETWORK if FULL else "ssd_tiny"
recipe = RECIPES[NETWORK]
TINY = data_path("weights", "ssd_tiny.safetensors")
if FULL and device.type == "cpu":
    raise SystemExit("No GPU here: Runtime → Change runtime type.")
print(DATA, "|", NETWORK, "| trained here:", name, "on", device.type)

# %% [markdown] id="cost-text" slide="skip"
# What will be downloaded, and how long is the training? Tables of the package know both. **Predict** how many steps the authors' script trains SSD300 on VOC: thousands, ten thousands, or more than a hundred thousand?

# %% id="what-it-costs" slide="skip"
images = {"voc": 16_551, "coco": 118_287}
archives = {"voc": ("voc2007", "voc2012"), "coco": ("coco2017",)}
for data in ("voc", "coco"):
    files = [file for part in archives[data]
             for file in DATASETS[part].archives]
    size = sum(file.size for file in files) / 1e9
    room = size + sum(file.unpacked for file in files) / 1e9
    for network in ("ssd300_vgg16", "ssd300_resnet50"):
        plan = RECIPES[network]
        steps = images[data] // plan.batch_size * plan.epochs
        print(f"{data:5}{size:5.1f} GB, {room:3.0f} GB of room |",
              f"{network:16}{plan.epochs:4} epochs,{steps:8,} steps")

# %% [markdown] id="cost-read" slide="skip" tags=["lead"]
# The authors' script trains SSD300 on VOC 07+12 for 120,000 iterations of 32 pictures. That is twice the paper's first schedule (Liu et al. 2016, §3.1), because zoom-out needs longer (§3.6). As epochs of 517 full batches these are 232. A recipe belongs to its data: `ssd300_vgg16` has VOC's, `ssd300_resnet50` COCO's (uvipen/SSD-pytorch). On the other data set, think in steps, and change `epochs` and `milestones`.
#
# Seconds are of *your* machine, so measure them. Three steps are enough for an estimate; the first ones are slow on a GPU, and are not counted. As the cell stands it times the practice run, four epochs of 192 small pictures. On Colab it times the network and the data that you chose.

# %% id="three-steps" slide="skip" tags=["nbval-ignore-output"]
def seconds_a_step(name, batch_size, count=3):
    """Time of one training step on this machine."""
    torch.manual_seed(0)
    model = create_model(name).to(device).train()
    side, optimizer = model.config.image_size, torch.optim.SGD(
        model.parameters(), lr=1e-4)
    pictures = torch.zeros(
        batch_size, 3, side, side, dtype=torch.uint8, device=device)
    truth = [{"boxes": torch.tensor([[9.0, 9, 60, 60]], device=device),
              "labels": torch.ones(1, dtype=torch.int64, device=device)}
             ] * batch_size
    for step in range(2 + count):
        if step == 2:
            start = time.perf_counter()
        training.train_step(model, pictures, truth, optimizer)
    return (time.perf_counter() - start) / count


step_seconds = seconds_a_step(name, recipe.batch_size if FULL else 8)
steps, epochs = (images[DATA] // recipe.batch_size, recipe.epochs
                 ) if FULL else (192 // 8, 4)
minutes = step_seconds * steps / 60
print(f"{step_seconds:.2f} s a step, {minutes:.2f} minutes an epoch,"
      f" {epochs * minutes:,.1f} minutes in all; reading the pictures"
      " comes on top")

# %% [markdown] id="sessions-text" slide="subslide"
# **From minutes to sessions.** A session begins with waiting for packages, for the mount and for the data, say 20 minutes. What is left of four hours are 220 minutes. A run of 26 hours (65 epochs of 24 minutes) therefore needs 1560 / 220 = 7.1 sessions, and 7.1 evenings are eight. **Predict**, then move *a session* to 2 hours and its *set-up* to 40 minutes: how many evenings does it take now?
#
# <details><summary>Answer</summary>
#
# Twenty: in short sessions the set-up eats a third of the time.
#
# </details>

# %% [markdown] id="notes-sessions" slide="notes"
# > *For the speaker.* Ask who would have begun without counting. Eight evenings is the moment at which people choose a smaller network or fewer epochs, and that is a good reason to count first.

# %% id="explorer-sessions" slide="-" tags=["explorer"]
show.SessionExplorer(epochs=65, minutes=24, hours=HOURS, setup=20)

# %% [markdown] id="where" slide="slide" tags=["lead"]
# ## 2 · Where things live
#
# | what | where | why |
# |--|--|--|
# | checkpoints, weights, report | Drive | must outlive the session |
# | archives (a few large files) | Drive, if it has room | one download instead of eight |
# | pictures (many small files) | Colab's own disk | Drive answers each file slowly |
# | the course | Colab's own disk | is fetched in seconds |
#
# So a session begins by *mounting* the Drive. Colab asks you for permission in a window. Elsewhere, a folder of this machine plays the Drive. (On Colab it keeps the practice run, too; delete its folder to lose sessions again.)
#
# **A free Drive has 15 GB.** VOC's archives fit; COCO is downloaded anew each time. And what is replaced goes to the Drive's *bin*, where it still counts ([a user whose checkpoints filled it](https://github.com/minimaxir/gpt-2-simple/issues/155)). SSD300's checkpoint has 0.2 GB and is replaced hundreds of times. Our loop empties an old checkpoint before it replaces it; still, look into the bin now and then.

# %% [markdown] id="notes-where" slide="notes"
# > *For the speaker.* Read the table with its right column covered and let the room give the reasons. The usual mistake is to put the pictures on the Drive, "to be safe": ten thousand small files can make every step wait.

# %% id="mount" slide="skip"
def open_drive():
    """A folder that outlives the session."""
    if not ON_COLAB:
        return Path(tempfile.mkdtemp()) / "drive"
    from google.colab import drive
    drive.mount("/content/drive")
    return Path("/content/drive/MyDrive/detlearn")


DRIVE = open_drive()
FAST = Path("/content/fast") if ON_COLAB else Path(tempfile.mkdtemp())
OUT = DRIVE / f"{name}-{DATA}"  # the run's folder
for folder in (DRIVE, FAST):
    folder.mkdir(parents=True, exist_ok=True)


print("the run will be kept in", f"{DRIVE.name}/{OUT.name}")

# %% id="helpers" slide="skip"
def shell(*words):
    """A command of the course, as a terminal would run it in FAST."""
    print("$ python -m detlearn", *words)
    with chdir(FAST):
        status = main([str(word) for word in words])
    assert status == 0, "the sentence above says what is wrong"


def copy_whole(source, target):
    """All of it or nothing: a cut connection leaves no half archive."""
    part = target.with_suffix(".copying")
    copyfile(source, part)
    part.replace(target)

# %% [markdown] id="data-text" slide="skip"
# **The data.** The command `data` says how large the archives are and on what terms they may be used. It compares checksums, unpacks, and continues where it was interrupted. Archives that you keep on the Drive are copied to the fast disk first; what is unpacked already is not fetched again.

# %% id="fetch" slide="skip"
def fetch(keep=DATA == "voc"):
    """The data set on the fast disk; VOC's archives on the Drive."""
    root, kept = FAST / DATA, DRIVE / "archives"
    if not FULL:
        return draw_stand_in(root, DATA, train=192, val=40)
    for folder in (root, kept):
        folder.mkdir(exist_ok=True)
    for part in archives[DATA]:
        files = [file.name for file in DATASETS[part].archives]
        for file in files:
            if (kept / file).exists() and not (root / file).exists():
                copy_whole(kept / file, root / file)
        shell("data", part, "--yes", "--root", DATA, "--keep-archives")
        for file in files:
            if keep and not (kept / file).exists():
                copy_whole(root / file, kept / file)
    return root


ROOT = fetch()
print(*sorted(path.relative_to(ROOT).as_posix()
              for path in ROOT.rglob("ImageSets/Main/*.txt")), sep="\n")

# %% [markdown] id="check-text" slide="skip"
# Trained on `trainval`, scored on the test set of 2007, as in the papers. (Drawn scenes, here.) **Check before you train.** The command `check` looks at every picture and every box, and writes a page with what it found. It refuses what would train wrongly without an error. And look yourself, since no program knows that the box around a tree should not be called a house. (To open the page from Colab, click the folder symbol at the left, go to `/content/fast`, and download it.)

# %% id="check" slide="skip"
shell("check", DATA)

# %% id="ten-pictures" slide="subslide"
plain = open_dataset(str(ROOT), "train")
names = plain.class_names
show.draw_scenes(
    [plain[i * len(plain) // 10] for i in range(10)], names, columns=5,
    width=11, line=1.4,
    alt="Ten training pictures with the boxes and names of their objects; "
    "of the stand-in, scenes full of discs, houses, trees and people.")

# %% id="statistics" slide="subslide" tags=["beside:ten-pictures"]
some = range(0, len(plain), max(1, len(plain) // 1000))
labels = torch.cat([plain[i][1]["labels"] for i in some])
counts = labels.bincount(minlength=len(names))[1:]
print(len(plain), "pictures;", "objects in", len(some), "of them:")
for count, word in sorted(zip(counts.tolist(), names[1:]), reverse=True):
    print(f"{word:12}{count:5}")

# %% [markdown] id="small-text" slide="subslide" tags=["lead"]
# **What will the network see of small objects?** Every picture is squeezed to the input of the network, 300 × 300 px for SSD300. A person 40 px high in a photograph 500 px high is 24 px high there. The chart shows the sizes of the objects in the *input* below the sizes that the priors reach (02). Objects left of the first bar have no good prior and may be missed: take smaller priors, a larger input (`ssd512_vgg16`), or cut the pictures into tiles.

# %% id="small-objects" slide="-" tags=["output-only"]
with torch.device("meta"):
    config = create_model(name).config
seen = input_boxes(plain, most=500)  # (G, 4), fractions of the input
sides = config.image_size * (seen[:, 2:] - seen[:, :2])  # (G, 2) px
everything = coverage_by_shape(seen, config.priors)[0]
print(f"{everything.objects} objects, {100 * everything.covered:.0f} % have"
      " a prior with an IoU of 0.5")
show.draw_size_chart(config.priors, sides)

# %% [markdown] id="small-read" slide="fragment"
# Here hardly an object lies left of the first bar, and 98 % have a prior that fits. So the priors suit these pictures.

# %% [markdown] id="before-hours" slide="slide" tags=["lead", "beside:small-objects"]
# ## 3 · One minute before the hours
#
# ### A start that knows something
#
# The published recipes begin with a backbone trained on ImageNet; the heads begin with random numbers. On a GPU the next cell fetches the file once and keeps it on the Drive. The stand-in does the same in small: it takes the backbone of our trained `ssd_tiny`, and nothing else. (It has learned from drawn scenes of this very kind. So the practice run scores high after a minute, which proves nothing about learning from scratch.) **Read the report**: it says what was loaded, and what was left as it was.
#
# <!-- speaker: Ask what is the cheapest test that shows a broken pipeline. -->

# %% id="first-weights" slide="skip"
def fetch_backbone(name):
    """The state dict of a backbone that has seen other pictures."""
    if not FULL:
        knows, _ = read_tensors(TINY)
        return {key: value for key, value in knows.items()
                if key.startswith("backbone.")}
    url = next(files[-1][0] for end, files in
               BACKBONE_FILES.items() if name.endswith(end))
    return torch.hub.load_state_dict_from_url(
        url, model_dir=str(DRIVE / "backbones"), map_location="cpu")


def new_model():
    """The network of every session before its first step."""
    torch.manual_seed(0)
    model = create_model(name, num_classes=len(names))
    model.class_names = names
    fill = load_backbone if FULL else load_initial_weights
    return model, fill(model, fetch_backbone(name))


model, report = new_model()
print(report)

# %% [markdown] id="overfit-text" slide="subslide"
# ### One batch, by heart
#
# Eight pictures, the same in every step. The loss must fall, here to less than a tenth of its beginning. If it does not, eight evenings will not help (05).

# %% [markdown] id="notes-overfit" slide="notes"
# > *For the speaker.* Ask what a curve that stays flat would mean: labels that do not fit the pictures, a frozen network, a rate of zero. And ask what a curve that falls does *not* mean: quiz 4.

# %% id="overfit" slide="fragment" tags=["output-only"]
side = model.config.image_size
augment = train_transform(side) if FULL else shapes_train_transform(side)
dataset = open_dataset(str(ROOT), "train", augment)
validation = open_dataset(str(ROOT), "val")
batch, targets = collate([dataset[i] for i in range(8)])
batch = batch.to(device)
targets = [{key: torch.as_tensor(target[key]).to(device)
            for key in ("boxes", "labels")} for target in targets]
model.to(device).train()
rate = 1e-3 if FULL else 1e-2
optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
steps = [training.train_step(model, batch, targets, optimizer)
         for _ in range(25)]
losses = [sum(step.values()) for step in steps]
assert losses[-1] < 0.4 * losses[0], losses
show.draw_curves({"loss of one batch": {"": losses}}, log=True,
                 alt="The loss over 25 steps on the same eight pictures, "
                 "on a logarithmic axis: it falls to less than two fifths.")

# %% [markdown] id="train" slide="slide" tags=["lead", "beside:overfit"]
# ## 4 · Train, session after session
#
# Now the training itself. `train` writes everything into `OUT`, a folder on the Drive: after every epoch, and in between, a checkpoint from which it continues *to the bit* (05). So every session does the same, always with `resume=True`. In the first there is no checkpoint yet, and the run begins. Without `resume`, a folder that holds a run is refused.
#
# **TensorBoard in the page** draws the curves while you wait: with `FULL` by itself, else set `WATCH = True`. A saved page cannot show it, so below we draw the same curves from its event files (without TensorBoard, from `history.json`).

# %% id="settings" slide="skip"
settings = recipe if FULL else replace(RECIPES["ssd_tiny"], epochs=4,
    warmup_steps=10, learning_rate=5e-3, amp="off")
loggers = ["csv"] + ["tensorboard"] * bool(find_spec("tensorboard"))


def session(dataset, out, resume=True, **how):
    """What a session does: begin, or go on where the last one was."""
    model, _ = new_model()
    history = training.train(
        model, dataset, settings, out=out, resume=resume, device=device,
        evaluate=lambda model: training.evaluate(model, validation),
        evaluate_every=5 if FULL else 2,
        checkpoint_every=500 if FULL else 7,
        num_workers=2 if FULL else 0, loggers=loggers,
        progress="lines" if FULL else False, **how)
    return model, history


WATCH = FULL  # True: TensorBoard below this cell
if WATCH and find_spec("tensorboard"):
    from IPython import get_ipython
    for line in ("load_ext tensorboard", f'tensorboard --logdir "{OUT}"'):
        get_ipython().run_line_magic(*line.split(" ", 1))
print(settings.epochs, "epochs of", len(dataset) // settings.batch_size,
      "steps, learning rate", settings.learning_rate)

# %% [markdown] id="lose-text" slide="subslide" tags=["lead"]
# **Lose the runtime, twice.** The data set below dies after so many pictures, in the middle of an epoch. A real session that ends leaves the same on the Drive: the last checkpoint. **Predict** where session 2 will continue, if session 1 dies at its 17th batch and a checkpoint is written every 7.

# %% id="borrowed" slide="skip"
class Borrowed:
    """A data set on a machine that is taken away."""

    def __init__(self, dataset, pictures):
        self.dataset, self.left = dataset, pictures
        self.class_names = dataset.class_names

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        self.left -= 1
        if self.left < 0:
            raise ConnectionError("your session has ended")
        return self.dataset[index]

# %% id="three-sessions" slide="subslide"
lost = [] if FULL else [16 * 8 + 3, 46 * 8 + 5]  # pictures until the end
for number, pictures in enumerate(lost, start=1):
    try:
        session(Borrowed(dataset, pictures), OUT)
    except ConnectionError as error:
        at = training.load_checkpoint(OUT / "last.pt")["position"]
        print(f"session {number}: {error}; safe is epoch {at['epoch'] + 1},"
              f" batch {at['batch']}")
model, history = session(dataset, OUT)  # on Colab: this line, each session
print("finished", len(history), "epochs")

# %% [markdown] id="lose-read" slide="fragment" tags=["lead"]
# After batch 14: batches 15 and 16 were trained and are lost, and the next session trained them again. What did the accidents cost in the end? **Predict** how far the weights are from those of a run that nobody interrupted:

# %% id="unbroken" slide="skip" tags=["prove"]
if not FULL:
    whole, _ = session(dataset, FAST / "unbroken")
    ours, theirs = model.state_dict(), whole.state_dict()
    prove("two lost sessions = none: every weight, to the bit",
          [ours[key] for key in ours], [theirs[key] for key in ours])

# %% [markdown] id="notes-lost" slide="notes"
# > *For the speaker.* Let the room guess the difference of the weights before the cell runs: small, or exactly zero? Exactly zero, because order and augmentation follow from seed, epoch and index, not from what was drawn before.

# %% [markdown] id="bits-read" slide="skip"
# Nothing but the minutes. (On a GPU, sums may be taken in another order. There two runs differ a little, interrupted or not.) Here is the whole run:

# %% id="curves" slide="subslide" tags=["output-only"]
logged = training.read_curves(OUT)  # TensorBoard's event files


def curve(key):
    """One value an epoch; NaN where nothing was measured."""
    values = logged[f"epoch/{key}"]
    return [values.get(n + 1, math.nan) for n in range(len(history))]


panels = {
    "loss, mean of an epoch": {
        "boxes": curve("bbox_regression"),
        "classes": curve("classification")},
    "score": {key: curve(key) for key in ("mAP", "mAP50")}}
assert FULL or history[-1]["mAP50"] > 0.6, history[-1]
show.draw_curves(panels, x="epoch", alt="Left, both parts of the loss "
                 "after each epoch: they fall. Right, mAP and mAP50 where "
                 "they were measured: they rise.")

# %% [markdown] id="errors-text" slide="subslide"
# The losses fall and the scores rise. But **which mistakes** are behind a score? **Predict** whether this network invents objects or misses them. Detections with a score above 0.5, sorted by kind, and the objects that none of them found (05):

# %% id="errors" slide="fragment" tags=["output-only"]
model = load_model(OUT / "best.safetensors").to(device)
detections, truths = training.detect_all(model, validation)
strong = [{key: one[key][one["scores"] > 0.5] for key in one}
          for one in detections]
kinds = metrics.detection_errors(strong, truths)
objects = sum(len(one["labels"]) for one in truths)
assert FULL or kinds["correct"] > 0.4 * objects
print(objects, "objects in", len(truths), "pictures")
show.draw_error_kinds({"threshold 0.5": kinds}, alt="What became of the "
                      "detections with a score above one half: most are "
                      "correct; the rest is sorted by kind.")

# %% [markdown] id="own-photos-text" slide="subslide"
# The practice run misses far more than it invents. A lower threshold would trade the one for the other (01).
#
# **Look at detections**, on validation pictures and on your own photographs. Put some into a folder of the Drive and name it in `PHOTOS`. (In Colab, the folder symbol at the left uploads files.) Without one, a drawn scene of another size stands in.

# %% id="detections" slide="fragment" tags=["output-only"]
PHOTOS = None  # "/content/drive/MyDrive/photos", for instance
pictures = [validation[i][0] for i in (0, 3, 8)]
if PHOTOS is None:
    pictures.append(Shapes(length=1, size=192, seed=5)[0][0])
else:
    pictures += [read_image(path) for path in
                 sorted(Path(PHOTOS).glob("*.[jpJP][pnPN]*"))[:5]]
found = model.detect([one.to(device) for one in pictures],
                     score_threshold=0.5)
found = [{key: one[key].cpu() for key in one} for one in found]
show.draw_scenes(
    list(zip(pictures, found)), names, columns=4,
    alt="Pictures that the network has not trained on, the last the "
    "reader's own or a larger drawn scene, with its detections: a box and "
    "a name on most objects.")

# %% [markdown] id="honest" slide="slide" tags=["beside:curves"]
# ### What did you reproduce?
#
# Say three things with your number: **which score**, **how many steps**, **from which start**. Liu et al. (2016, Table 6) report 77.2 mAP for SSD300 with zoom-out, trained on VOC 07+12 and scored on VOC07's test set, whose AP takes eleven points: `mAP_voc07` here. uvipen's README shows 25.06 AP on COCO's val2017 after 54 epochs; that is `mAP`. A run that ends lower after a tenth of the steps has not failed; it is not finished.
#
# <!-- speaker: Ask which three things a number needs before it may stand beside another. -->

# %% [markdown] id="notes-honest" slide="notes"
# > *For the speaker.* Before you show the three questions, give the room a sentence as it stands in many a README, “75 mAP on VOC”, and let them ask what is missing: which test set, eleven points or all, how many steps, which start.

# %% id="compare" slide="-" tags=["output-only"]
published = {"ssd300_vgg16": ("voc", "mAP_voc07", 0.772, 232),
             "ssd300_resnet50": ("coco", "mAP", 0.2506, 54)}
of_data, score, value, of_epochs = published[NETWORK]
done = len(history) * (len(dataset) // settings.batch_size)
planned = of_epochs * (images[of_data] // recipe.batch_size)
print(f"published: {score} {value} on {of_data}, {planned:,} steps")
print(f"this run:  {done:,} steps, {100 * done / planned:.2g} % of them,",
      "on", DATA if FULL else "drawn scenes:", "" if FULL else
      "no comparison")

# %% [markdown] id="report-text" slide="skip"
# **Take it home.** The run's folder already holds `best.safetensors`, the weights with the best score. (`model.safetensors` are the last ones; `last.pt` and `previous.pt` are checkpoints, which only `resume` needs.) A report on one HTML page goes beside it: curves, errors by kind, the worst pictures. Download both from the Drive; the page needs no network.

# %% id="report" slide="skip"
from detlearn.report.cli import write_report

page = write_report(OUT, data=str(ROOT), images=6, device=device.type)
print(*sorted(path.name for path in OUT.glob("[a-z]*.*")))

# %% [markdown] id="own-data" slide="slide" tags=["lead"]
# ## 5 · Your own pictures
#
# You have pictures and a program for drawing boxes. Its export is enough:
#
# | you have | the folder holds |
# |--|--|
# | a spreadsheet | `images/`, `train.csv`, `val.csv`; a row `image,x1,y1,x2,y2,label` for each box |
# | COCO export | `images/` and one JSON a split |
# | LabelImg, VOC export | an XML file beside each picture |
# | YOLO, Roboflow, CVAT, Label Studio | the export as it comes |
#
# `docs/training.md` has the whole table. Bring the folder to Colab as *one zip file* in your Drive, and unpack it on the fast disk: `shutil.unpack_archive("/content/drive/MyDrive/mine.zip", FAST / "mine")`. Our example is a photograph of two dozen coins: **learn from its left half, find the coins in the right half.** Windows are cut from both halves, sixteen and two. Two questions come first. Is the data sound, and **do the priors suit** (02)? Where they do not, the command `priors` proposes a layout.

# %% id="own-folder" slide="skip"
mine = write_coin_windows(FAST / "coins")
print(*(mine / "train.csv").read_text().split()[:3], "...", sep="\n")
shell("check", "coins", "--out", "coins.html")
own = open_dataset(str(FAST / "coins"), "train")
for row in coverage_by_shape(input_boxes(own), config.priors)[:3]:
    print(f"{row.name:22} {row.objects:4} objects,"
          f" {100 * row.covered:3.0f} % covered")

# %% [markdown] id="fine-tune-text" slide="subslide" tags=["lead"]
# Sixteen windows of twelve coins promise nothing about other coins. And split **by place**, not at random: windows of the same half overlap, and a score on what was learned by heart is worth nothing.
#
# Now **fine-tuning**: begin with a detector that is trained already, although it knows other classes. `init` takes all tensors that fit. In the class heads, the rows of classes that old and new both know *by name* are kept, with the background; the others stay random. **Predict**: what is kept of a detector of discs, houses and people, when the new class is *coin*?

# %% [markdown] id="notes-fine-tune" slide="notes"
# > *For the speaker.* Write the nine rows of the old class head on the board and let the room cross out what the new head cannot use. One row stays. Then ask why the boxes' head may stay as it is: it says how a prior must move, and nothing about a class.

# %% id="fine-tune" slide="fragment" tags=["output-only"]
coin_train = open_dataset(str(FAST / "coins"), "train",
                          train_transform(128, zoom_out=1.5))
coin_val = open_dataset(str(FAST / "coins"), "val")
brief = TrainConfig(epochs=2, batch_size=4, learning_rate=2e-3,
                    warmup_steps=2, schedule="flat", amp="off")


def learn_coins(init=None):
    torch.manual_seed(0)
    finder = create_model("ssd_tiny", num_classes=2)
    finder.class_names = coin_train.class_names
    training.train(finder, coin_train, brief, init=init, device="cpu",
                   progress=False)
    return finder, training.evaluate(finder, coin_val)


knows, _ = read_tensors(TINY)
tuned, with_init = learn_coins(knows)
_, without = learn_coins()

# %% [markdown] id="fine-tune-read" slide="subslide"
# Everything before the heads, the boxes' heads as well, and of the class heads the row of the background. (A bare state dict names no classes; a run's file does.) Both had the same eight steps. The row of *coin* began at random. A random row's logits lie near 0 everywhere; a trained row's far below on background. Eight steps cannot teach that. So many more boxes than coins score above 0.5; mAP minds only the scores' order. The picture shows the six best of each window:

# %% id="fine-tune-score" slide="-" tags=["nbval-ignore-output", "output-only"]
assert with_init["mAP50"] > 0.8 and without["mAP50"] < 0.5
views, by_hand = zip(*[coin_val[i] for i in range(2)])
answers = tuned.detect(views, max_detections=6)
sure = tuned.detect(views, score_threshold=0.5)
print(f"mAP50 after eight steps: with init {with_init['mAP50']:.2f},",
      f"from random weights {without['mAP50']:.2f};",
      sum(len(one["boxes"]) for one in sure), "boxes above 0.5")
bare = [{"boxes": one["boxes"]} for one in (*by_hand, *answers)]
show.draw_scenes(
    [*zip(views * 2, bare)], columns=2, width=5,
    titles=["by hand", "by hand", "six best", "six best"],
    alt="The right half of the photograph in two windows. Above, the coins "
    "in boxes drawn by hand; below, the six best boxes of each after "
    "eight steps of fine-tuning: nearly all lie on coins.")

# %% [markdown] id="fine-tune-shell" slide="skip"
# One photograph is no law (★). For your own pictures the same steps are three commands, here as cells; a terminal takes the words after `python -m detlearn`:
#
# ```
# shell("check", "mine")
# shell("train", "ssd300_vgg16", "--data", "mine", "--out", DRIVE / "mine",
#       "--init", OUT, "--learning-rate", "1e-4")  # OUT: a FULL run's
# shell("detect", "--weights", DRIVE / "mine/best.safetensors", PHOTOS)
# ```
#
# A recipe's learning rate was chosen for another beginning; a tenth is careful, and not always best (★). If the epochs were too few, the same command with `--resume` and more `--epochs` goes on.

# %% [markdown] id="exercises" slide="slide"
# ## 6 · Your turn
#
# ### Exercises
#
# Replace the dots, and the `None` after `return`, and run the cell. It says what is right, or what is wrong and why. `nb14.sessions_needed.hint()` helps.
#
# 1. `sessions_needed`: §1 as a function. A checkpoint may lie inside an epoch. It works when 65 epochs of 24 minutes in sessions of 4 hours, 20 minutes of set-up each, need 8.
# 2. `to_epochs`: iterations of a paper as epochs, rounded to the nearest; incomplete batches are left out. It works when SSD's 80,000, 100,000 and 120,000 iterations of 32 of 16,551 images give 155, 193 and 232.
# 3. `too_small`: the share of boxes whose size, the root of the area, is below `least` px in the input. The picture is squeezed. It works when a square of 16 px in 640 × 480 has the size 8.66 at 300.
# 4. `shared_rows`: the rows of a class head that fine-tuning keeps, as pairs (new label, old label) in the order of `new`. It works when `("background", "cat", "dog")` and `("background", "dog", "ship")` give `[(0, 0), (1, 2)]`.

# %% id="exercise-sessions-needed" slide="skip" tags=["exercise"]
def sessions_needed(epochs, minutes, hours, setup):
    """Sessions of so many hours, an integer."""
    total = epochs * minutes
    ...
    return None

nb14.sessions_needed.check(sessions_needed)

# %% id="exercise-to-epochs" slide="skip" tags=["exercise"]
def to_epochs(iterations, images, batch_size):
    """The epoch, rounded, of each number of iterations."""
    ...
    return None

nb14.to_epochs.check(to_epochs)

# %% id="exercise-too-small" slide="skip" tags=["exercise"]
def too_small(boxes, width, height, side, least):
    """Share of boxes, 0 to 1, smaller than `least` in the input."""
    sides = boxes[:, 2:] - boxes[:, :2]
    ...
    return None

nb14.too_small.check(too_small)

# %% id="exercise-shared-rows" slide="skip" tags=["exercise"]
def shared_rows(old, new):
    """(new label, old label) of each class that both know."""
    rows = []
    for label, name in enumerate(new):
        ...
    return None

nb14.shared_rows.check(shared_rows)

# %% [markdown] id="clinic-1" slide="slide" tags=["clinic"]
# ### Bug clinic
#
# Run the symptom, write down the mistake, open the diagnosis, then run the cure.
#
# **Patient 1.** “I fine-tuned the eight shapes with my own order of the classes. No error, and before the first step it calls every tree a square.”

# %% [markdown] id="notes-clinic" slide="notes"
# > *For the speaker.* Let somebody say the diagnosis before the fold is opened. Most will look for a fault in the training, and there was none: ask what the shapes of two heads can say about their classes.

# %% id="clinic-1-symptom" slide="-" tags=["clinic"]
mine = ("background", *reversed(Shapes.class_names[1:]))  # 8, as before
sick = create_model("ssd_tiny", num_classes=9)
sick.load_state_dict(knows, strict=False)  # the common line
right = load_model(TINY)
picture = Shapes(length=1, seed=3)[0][0]
said = sick.eval().detect([picture], score_threshold=0.6)[0]["labels"]
truly = right.detect([picture], score_threshold=0.6)[0]["labels"]
print("it says: ", [mine[i] for i in said.tolist()])
print("it means:", [Shapes.class_names[i] for i in truly.tolist()])

# %% [markdown] id="clinic-1-diagnosis" slide="fragment" tags=["clinic"]
# <details><summary>Diagnosis of patient 1</summary>
#
# Both heads have nine rows, so `load_state_dict` is content. But row 7 was *tree*, and now label 7 is *square*. Shapes agree; names were never asked. Rows must be moved by name.
#
# </details>

# %% id="clinic-1-cure" slide="-" tags=["clinic"]
cured = create_model("ssd_tiny", num_classes=9)
cured.class_names = mine
report = load_initial_weights(cured, TINY)
said = cured.eval().detect([picture], score_threshold=0.6)[0]["labels"]
print(report)
print("it says: ", [mine[i] for i in said.tolist()])
assert [mine[i] for i in said] == [Shapes.class_names[i] for i in truly]

# %% [markdown] id="summary" slide="slide"
# ### Summary
#
# - **Count first**: gigabytes, steps, minutes an epoch, sessions.
# - **Drive** keeps checkpoints, weights and reports; the fast disk keeps pictures. Drive's bin counts as well.
# - **One minute before the hours**: check the data, look at ten pictures, measure small objects, learn one batch by heart.
# - **Every session runs the same cells** with `resume=True`. A lost session costs minutes and, on a CPU, changes no weight.
# - **Compare honestly**: which score, how many steps, which start.
# - **Fine-tuning** keeps what fits, and matches classes by name.
#
# **Further reading.** Liu et al. 2016, *SSD*, arXiv 1512.02325, §3.1, §3.6 and Table 6 · uvipen/SSD-pytorch · `docs/training.md` for everything else that a training needs · [a thread of somebody without a checkpoint](https://github.com/Surrey-EEEM071-CVDL/CourseWork/issues/1).

# %% [markdown] id="star-fast" slide="skip"
# ## ★ How fast is your processor, and how fast is it used?
#
# A processor multiplies so many numbers a second, and no network is faster than that. What a product of two large matrices reaches is a fair measure of this peak. The cells count *processor time*, so that other programs on your machine do not matter much. A network that reaches a tenth of it wastes time; one that reaches all of it gets faster only by fewer operations, or less *exact* ones.

# %% id="the-peak" slide="skip"
from torch.utils.flop_counter import FlopCounterMode


def speed_of(run, operations, repeats=2):
    """Billions of operations in a second of processor time."""
    seconds = []
    for _ in range(1 + repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return operations / min(seconds[1:]) / 1e9  # the first one warms up


square = torch.randn(2048, 2048)
peak = speed_of(lambda: square @ square, 2 * 2048**3)
print(f"peak: a product of matrices in float32 {peak:,.0f} GFLOP/s")

# %% [markdown] id="fast-text" slide="skip"
# Two things may help; a third follows. **channels_last** lays the channels of a cell side by side, as convolutions read them. **bfloat16** halves the bytes of a number. Predict: what does it do to the time, and can a bar be longer than the peak?

# %% id="fast-modes" slide="skip"
COMPILE = False  # True: needs a C++ compiler and a minute more


@torch.inference_mode()
def fast_modes(picture):
    network = create_model("ssd300_resnet50").eval()
    with FlopCounterMode(display=False) as counter:
        network(picture)
    work = counter.get_total_flops()
    yield "float32", speed_of(lambda: network(picture), work)
    picture = picture.to(memory_format=torch.channels_last)
    network.to(memory_format=torch.channels_last)
    yield "channels_last", speed_of(lambda: network(picture), work)
    with torch.autocast("cpu", torch.bfloat16):
        yield "and bfloat16", speed_of(lambda: network(picture), work)
        if COMPILE:
            network.compile()
            yield "and compiled", speed_of(lambda: network(picture), work)


for mode, speed in fast_modes(torch.randn(1, 3, 300, 300)):
    bar = "█" * round(25 * speed / peak)
    print(f"{mode:14}{speed:8,.0f} GFLOP/s {bar} {speed / peak:.0%}")

# %% [markdown] id="fast-read" slide="skip"
# Intel's processors with AMX multiply bfloat16 faster than float32, so their third bar passes the peak, which is that of float32. AMD's since Zen 4, and a few of Intel's without AMX, have bfloat16 in hardware, too; we have not measured them. The rest should emulate it, with the shortest bar. `training.train` looks which kind you have: `amp="auto"` takes bfloat16 where it is fast and float32 elsewhere. That is why the small trainings of this course say `amp="off"`: their numbers should be nearly the same on every machine. **compile** makes one program of the whole network; what it gains on yours you can try.

# %% [markdown] id="star-fine-tune" slide="skip"
# ## ★ What fine-tuning saves
#
# One photograph and one seed are no law, so here is the question of §5 asked properly. `ssd_tiny` is to find the things of Shapes in pictures of a bad heat camera: 200 scenes, grey, negative, pale and noisy, in three classes with new names. It learns for 800 steps, from random weights or from the detector of Shapes, with five seeds each. Each beginning has its own learning rate, the best of five or six in trainings of 200 steps. **Predict:** after how many steps does the training that begins with the detector score more than the other at its *end*?

# %% id="fine-tune-curves" slide="skip"
import json
from statistics import fmean

from detlearn.report import verdicts

asked = json.loads(data_path("results", "fine_tuning.json").read_text())
fresh, begun = asked["rows"]
means = {name: [fmean(at) for at in zip(*row["curves"])]
         for name, row in asked["rows"].items()}
passed = next(step for step, score in zip(asked["steps"], means[begun])
              if score > means[fresh][-1])
found = asked["rows"][begun]["difference"]
print(verdicts.Comparison(
    begun, fresh, "mAP", len(found["values"]),
    (found["verdict"], found["mean"], *found["interval"])).sentence)
print(f"on the 500: passed after {passed} of {asked['steps'][-1]} steps,",
      f"{passed // 25} epochs, or before")
between = asked["steps"][0] // 25 - 1  # not measured
show.draw_curves(
    {"mAP on 500 other scenes, mean of five seeds": {
        name: [x for score in curve for x in [math.nan] * between + [score]]
        for name, curve in means.items()}},
    x="epochs of 25 steps",
    alt="Two curves: from random weights mAP climbs slowly; "
    "from a detector of Shapes the first mark is higher than that ends.")

# %% [markdown] id="fine-tune-curves-read" slide="skip"
# The sentence is about 1,000 further scenes, seen once, with a 95 % interval; the curves are about the 500 on which the rates were chosen. All this holds for so few steps, when both curves still rise, the lower one faster, and for *things* that the detector knows. What its own training took is not counted.

# %% [markdown] id="fine-tune-rate" slide="skip"
# Which **learning rate**? A recipe's was chosen for another beginning, so a tenth of it sounds careful. **Predict** which rate is best for each beginning. Here is mAP at the end of trainings of 200 steps:

# %% id="fine-tune-rates" slide="skip"
for name, row in asked["rows"].items():
    print(f"{name:21}", *[f"{float(rate):g}: {score:.3f}" for rate, score
                          in sorted(row["tried"].items(), key=lambda at:
                                    float(at[0]))], sep="  ")
tried = asked["rows"][begun]["tried"]
assert max(tried, key=tried.get) == "0.01"
assert asked["scenes"] == asked["tuning_steps"] == 200
assert tried["0.001"] < tried["0.01"] - 0.1 < tried["0.005"]

# %% [markdown] id="fine-tune-rate-read" slide="skip"
# From the detector, the recipe's own 0.01 scored best (0.005 and 0.02 are too close to tell), and its tenth is far behind. From random weights 0.005 and 0.01 are about equal. A small rate should keep more of what the detector knows. Whether that pays where the new pictures are like the old, this record has not tried. So try both, on pictures that you do not train on. (`python -m experiments fine_tuning`)

# %% [markdown] id="star-coco" slide="slide"
# ## ★ COCO's layout, and a longer run
#
# For the data, `DATA = "coco"` is all that changes; the recipe's epochs and milestones are another matter (§1). Here is the proof in small: the stand-in in COCO's own folders, opened by the same call, with the same classes.

# %% [markdown] id="notes-coco" slide="notes"
# > *For the speaker.* The point is what does *not* change: one word in the cell of choices. Ask which of the numbers of section 1 change with it, and which cell would notice a wrong one.

# %% id="coco-layout" slide="skip"
coco = draw_stand_in(FAST / "coco-small", "coco", train=12, val=6)
print(*sorted(path.relative_to(coco).as_posix() for path in
              [*coco.glob("*"), *coco.glob("annotations/*")]), sep="\n")
for split in ("train", "val"):
    part = open_dataset(str(coco), split)
    print(split, len(part), "pictures of", len(part.class_names) - 1,
          "classes")
shell("check", "coco-small", "--out", "coco.html")

# %% id="coco-voc-equal" slide="skip" tags=["prove"]
voc = draw_stand_in(FAST / "voc-small", "voc", train=12, val=6)
one = open_dataset(str(coco), "train")[1][1]
other = open_dataset(str(voc), "train")[1][1]  # in whole pixels
assert one["labels"].tolist() == other["labels"].tolist()
prove("a scene's boxes in both layouts, to a pixel",
      one["boxes"].as_subclass(torch.Tensor),
      other["boxes"].as_subclass(torch.Tensor), tolerance=1.0)

# %% [markdown] id="star-longer" slide="slide"
# ### A run that becomes longer
#
# Four epochs were not enough? `resume=True` with more epochs goes on, also after the end. The learning rate continues as the longer plan has it. This recipe's schedule is *flat*: constant for the first 60 % of the steps, then a straight line to zero. The finished run ended at zero; for the longer one the same step is only its middle, still at the full rate:

# %% [markdown] id="notes-longer" slide="notes"
# > *For the speaker.* Draw both schedules on the board, four and eight epochs, and mark step 96 on each. Ask what a run would learn that began its fifth epoch at a rate of zero.

# %% id="longer" slide="skip"
factors = [training.learning_rate_factor(96, 24, replace(
    RECIPES["ssd_tiny"], epochs=epochs, warmup_steps=10))
    for epochs in (4, 8)]
print("after 96 steps, of 4 epochs:", round(factors[0], 3),
      "| of 8 epochs:", round(factors[1], 3))

# %% [markdown] id="clinic-2" slide="skip" tags=["clinic"]
# ## ★ A second patient, and a quiz
#
# **Patient 2.** “Three classes, so I wrote `num_classes=3`. On the GPU it stops with *device-side assert triggered*, somewhere.” On a CPU the same mistake can be read:

# %% id="clinic-2-symptom" slide="skip" tags=["clinic"]
three = torch.tensor([1, 2, 3])  # cat, dog, ship
try:
    torch.nn.functional.cross_entropy(torch.zeros(3, 3), three)
except IndexError as error:
    print("IndexError:", error)

# %% [markdown] id="clinic-2-diagnosis" slide="skip" tags=["clinic"]
# <details><summary>Diagnosis of patient 2</summary>
#
# The background is a class, too: three kinds of objects need four columns of logits. A GPU works behind your back and reports later, at another line. When a GPU says *device-side assert*, run one batch on the CPU.
#
# </details>

# %% id="clinic-2-cure" slide="skip" tags=["clinic"]
loss = torch.nn.functional.cross_entropy(torch.zeros(3, 4), three)
print(f"four columns: {loss:.4f} = log 4")
assert math.isclose(loss, math.log(4), rel_tol=1e-6)

# %% [markdown] id="quiz" slide="skip"
# ### True or false?
#
# 1. The pictures of COCO belong on the Drive, since they must outlive the session.
# 2. In the second session you leave out `resume=True`.
# 3. After a lost session the run ends with slightly other weights.
# 4. A falling loss on one batch shows that the detector will be good.
# 5. 60 % mAP after a tenth of the steps shows that the code is wrong.
# 6. Fine-tuning keeps the row of every class with the same label.
#
# <details><summary>Answers</summary>
#
# 1. False: they can be fetched again, and Drive is slow with many small files. Checkpoints belong there.
# 2. False: without it the second start is refused, because the folder holds a run.
# 3. False: the same, to the bit, on a CPU. On a GPU, sums may be taken in another order.
# 4. False: only that the wires are connected.
# 5. False: it is another training. Compare at equal steps and an equal start.
# 6. False: of every class with the same *name*.
#
# </details>

# %% [markdown] id="ledger" slide="slide" tags=["ledger"]
# ## ★ The article ↔ this chapter
#
# The course grew out of a blog article that trains SSD on Colab, from a Drive folder, with code of uvipen/SSD-pytorch. Its author asked two questions and struck them through, unanswered. Here is what happens to somebody who types it in today, and where the answer stands.
#
# | what | article | here | see it |
# |--|--|--|--|
# | “why `scheduler.step()`?” | no answer | to move the schedule on; after the optimiser | 05 ★ |
# | “why `float()`?” | no answer | half-precision sums overflow | 05 ★ |
# | versions | torch 1.7.1: no wheels for today's Python | what Colab has | A1 |
# | `pip install os` | nothing to install | part of Python | A1 |
# | “Mounting Drive” | a heading without a mount | `drive.mount` | §2 |
# | `cd /content/drive/…` | alone in a cell it is IPython's magic, among other lines a NameError; the path lacks `MyDrive` | `pathlib` | A2 |
# | `InvertedResidual` | imported from where it no longer is | own backbones | A1 |
# | `pretrained=True` | downloads when the class is built | a report of what was loaded | §3 |
# | `backbone=ResNet()` as a default | built once, shared by all | built in the constructor | A2 |
# | bare `except:` | every error is “No object detected” | no `try` | 05 ★ |
# | schedule | drops an epoch early | after the step | 05 ★ |
# | images without objects | dropped, their false alarms too | scored | 05 ★ |
# | category ids | `category_ids[label - 1]` | a table | A3 |
# | image ids | float32 rounds above 16,777,216 | integers | A3 |
# | the long training | ends without a score or a picture | §4 | §4 |

# %% [markdown] id="notes-article" slide="notes"
# > *For the speaker.* Read out three rows and let the room say what a reader of the article would have seen. Nobody is to be laughed at: the article began this course, and some of its rows only tell how libraries changed under it.

# %% id="ledger-1" slide="skip" tags=["ledger"]
# A1 what is there today
print("A1 os needs no installation:", find_spec("os").origin is not None)
try:
    from torchvision.models.mobilenet import InvertedResidual  # noqa: F401
except ImportError as error:
    print("A1", str(error).partition(" from ")[0])
from torchvision.models.mobilenetv2 import InvertedResidual as moved
print("A1 it lives in", moved.__module__)

# %% id="ledger-2" slide="skip" tags=["ledger"]
# A2 a shell's line in Python, without IPython's magic; a shared default
try:
    exec("cd /content/drive/data")
except NameError as error:
    print("A2", type(error).__name__, "|", error)


class Sick:
    def __init__(self, backbone=torch.nn.Linear(2, 2)):  # noqa: B008
        self.backbone = backbone


print("A2 two networks, one backbone:", Sick().backbone is Sick().backbone)

# %% id="ledger-3" slide="skip" tags=["ledger"]
# A3 numbers that change on the way
print("A3 image 16777217 in float32:",
      int(torch.tensor(16_777_217.0, dtype=torch.float32)))
file_order = [3, 1, 2]  # as a JSON may list its categories
table = dict(enumerate(sorted(file_order), start=1))  # label -> id
print("A3 label 1: id", table[1], "| by position:", file_order[1 - 1])
