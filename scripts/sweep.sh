#!/bin/sh
# Try learning rates and soft-label thresholds one after another and collect the scores in a table.
#
#   scripts/sweep.sh [CONFIG [OUT]]
#
# RATES and THRESHOLDS may be set in the environment. A sweep that was stopped goes on where it was.
set -eu

config=${1:-configs/demo.yaml}
out=${2:-runs/sweep}
rates=${RATES:-"0.0005 0.001 0.002"}
thresholds=${THRESHOLDS:-"0.6 0.7 0.8"}
table=$out/table.csv

mkdir -p "$out"
echo "learning_rate,threshold,ari_all,ari_foreground,part" >"$table"
for rate in $rates; do
    for threshold in $thresholds; do
        run=$out/rate-$rate-threshold-$threshold
        fewshot run --config "$config" --out "$run" --resume \
            --set "final.learning_rate=$rate" \
            --set "radiologists.rough.score_threshold=$threshold" \
            --set "radiologists.steady.score_threshold=$threshold" \
            --set "radiologists.fine.score_threshold=$threshold"
        python3 - "$run/metrics.json" "$rate" "$threshold" >>"$table" <<'PYTHON'
import json
import sys

path, rate, threshold = sys.argv[1:]
answer = json.load(open(path))["answer"]
scores = f"{answer['ari_all']:.4f},{answer['ari_foreground']:.4f}"
print(f"{rate},{threshold},{scores},{answer['part']}")
PYTHON
    done
done
column -s, -t "$table" 2>/dev/null || cat "$table"
