#!/bin/sh
# What a CUDA machine shows in at most eight minutes: speed, and that the numbers stay right on it.
#
#     sh benchmarks/gpu_check.sh                        # on a GPU
#     sh benchmarks/gpu_check.sh --device cpu --quick   # the script itself, without one
#     PYTHON=/path/to/python OUT=folder sh benchmarks/gpu_check.sh
#
# It writes OUT/throughput.json, OUT/gpu_check.json and OUT/log.txt, and ends with 1 if a check
# failed. A step that takes too long is ended and counts as failed; the others still run.
set -u
cd "$(dirname "$0")/.." || exit 2
PYTHON=${PYTHON:-.venv/bin/python}
OUT=${OUT:-runs/gpu_check}
DEVICE=cuda QUICK=
while [ $# -gt 0 ]; do
  case $1 in
    --device) DEVICE=$2; shift 2 ;;
    --quick) QUICK=--quick; shift ;;
    *) echo "gpu_check.sh: expected --device NAME or --quick, got $1" >&2; exit 2 ;;
  esac
done
mkdir -p "$OUT" || exit 2
: > "$OUT/log.txt"
status=0
step() { # seconds, then a command
  seconds=$1; shift
  echo "== $*" | tee -a "$OUT/log.txt"
  timeout "$seconds" "$@" > "$OUT/step.txt" 2>&1
  code=$?
  cat "$OUT/step.txt" >> "$OUT/log.txt"; cat "$OUT/step.txt"
  [ $code -eq 0 ] || { echo "== ended with $code"; status=1; }
}
export PYTHONPATH=.
if [ "$DEVICE" = cpu ]; then
  # a stranger's slow CPU gets more time; the numbers of one network are enough to try the script
  step 900 "$PYTHON" benchmarks/throughput.py --device cpu $QUICK --models ssd_tiny \
    --write "$OUT/throughput.json"
  step 900 "$PYTHON" benchmarks/gpu_check.py --device cpu $QUICK --write "$OUT/gpu_check.json"
else
  step 240 "$PYTHON" benchmarks/throughput.py --device "$DEVICE" $QUICK --write "$OUT/throughput.json"
  step 230 "$PYTHON" benchmarks/gpu_check.py --device "$DEVICE" $QUICK --write "$OUT/gpu_check.json"
fi
rm -f "$OUT/step.txt"
exit $status
