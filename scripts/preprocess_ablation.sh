#!/bin/sh
# Does preprocessing help a trained detector? The `tiny` detector is trained on the same labelled
# slices, from the same seed, with each preprocessing; merge rules are chosen on validation slices.
#
#   scripts/preprocess_ablation.sh DATA [OUT]
#
# DATA is a folder in the challenge's form: X_train, Y_train.csv.gz, groups.csv, X_test,
# Y_test.csv.gz, groups_test.csv. ROWS (names below), SEEDS and ITERATIONS may be set in the
# environment. An ablation that was stopped goes on where it was.
set -eu

data=$1
out=${2:-runs/preprocess_ablation}
rows=${ROWS:-"none clahe tv clahe+tv sobel canny log"}
seeds=${SEEDS:-0}
iterations=${ITERATIONS:-300}

steps() {
    case $1 in
    none) echo '[]' ;;
    clahe) echo '[clahe]' ;;
    tv) echo '[tv]' ;;
    bilateral) echo '[bilateral]' ;;
    median) echo '[median]' ;;
    clahe+tv) echo '[clahe, tv]' ;;
    # The slice in two of the three channels, edges in the third.
    sobel | canny | log) echo "{channels: [[], [], [$1]]}" ;;
    clahe+sobel) echo '{channels: [[], [clahe], [sobel]]}' ;;
    *) echo "unknown row $1" >&2 && exit 2 ;;
    esac
}

mkdir -p "$out"
if [ ! -f "$out/slices/train.json" ]; then
    fewshot convert --images "$data/X_train" --labels "$data/Y_train.csv.gz" \
        --groups "$data/groups.csv" --out "$out/slices"
fi
if [ ! -f "$out/test/test.json" ]; then
    fewshot convert --images "$data/X_test" --labels "$data/Y_test.csv.gz" \
        --groups "$data/groups_test.csv" --test --out "$out/test"
fi
for seed in $seeds; do
    for row in $rows; do
        folder=$out/$row-$seed
        [ ! -f "$folder/all.json" ] || continue
        preprocess=$(steps "$row")
        if [ ! -f "$folder/model/model.json" ]; then
            # Without soft labels `train-final` trains on the labelled slices alone.
            fewshot train-final --data "$out/slices" --out "$folder/model" --seed "$seed" \
                --set detector.weights=none --set training.evaluation_period=0 \
                --set "final.iterations=$iterations" --set "preprocess=$preprocess"
        fi
        for part in slices/validation test/test; do
            fewshot predict --model "$folder/model" --data "$out/$part.json" \
                --out "$folder/$(basename "$part").json"
        done
        for metric in foreground all; do
            fewshot merge --predictions "$folder/test.json" --metric "$metric" \
                --truth "$out/slices/validation.json" \
                --truth-predictions "$folder/validation.json" --out "$folder/merged.json"
            fewshot submit --merged "$folder/merged.json" --out "$folder/$metric.csv"
            fewshot score --truth "$data/Y_test.csv.gz" --submission "$folder/$metric.csv" \
                --groups "$data/groups_test.csv" --json >"$folder/$metric.part"
            mv "$folder/$metric.part" "$folder/$metric.json"
        done
    done
done

# Differences are to no preprocessing with the same seed, slice by slice; their 95 % intervals draw
# whole patients.
python3 - "$out" <<'PYTHON'
import json
import random
import sys
from pathlib import Path
from statistics import fmean

RESAMPLES = 5000
METRICS = ("all", "foreground")


def per_image(folder, metric):
    found = json.loads((folder / f"{metric}.json").read_text())["per_image"]
    return {name: (row["group"], row[f"ari_{metric}"]) for name, row in found.items()}


def interval(differences):
    """Bootstrap interval of the mean of {image: (patient, difference)}, by patient."""
    patients = {}
    for patient, value in differences.values():
        patients.setdefault(patient, []).append(value)
    drawn, chance = list(patients.values()), random.Random(0)
    means = sorted(
        fmean(value for part in chance.choices(drawn, k=len(drawn)) for value in part)
        for _ in range(RESAMPLES)
    )
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)]


def cells(folder, plain):
    for metric in METRICS:
        mine = per_image(folder, metric)
        yield f"{fmean(value for _, value in mine.values()):.3f}"
        if folder == plain or not (plain / "all.json").is_file():
            yield ""
            continue
        theirs = per_image(plain, metric)
        difference = {name: (row[0], row[1] - theirs[name][1]) for name, row in mine.items()}
        low, high = interval(difference)
        yield f"{fmean(value for _, value in difference.values()):+.3f} ({low:+.3f} to {high:+.3f})"
    model = json.loads((folder / "model" / "model.json").read_text())
    yield f"{model['average_precision']['ap']:.3f}"


out = Path(sys.argv[1])
heads = "preprocessing|seed|ARI, all pixels|to none|ARI, foreground|to none|validation AP"
print("|" + heads + "|\n" + "|---" * 7 + "|")
for folder in sorted(out.glob("*-*"), key=lambda one: one.stat().st_ctime):
    if (folder / "all.json").is_file():
        name, seed = folder.name.rsplit("-", 1)
        print("|", " | ".join([name, seed, *cells(folder, out / f"none-{seed}")]), "|")
PYTHON
