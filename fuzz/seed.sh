#!/usr/bin/env bash
# Fills fuzz/corpus from the folder of small real data (NASPERF_TEST_DATA), the golden files and the shipped manifests.
set -eu
cd "$(dirname "$0")"
data=${NASPERF_TEST_DATA:-../../shared/data}
take() { # target most-bytes files…
    target=$1 most=$2
    shift 2
    mkdir -p "corpus/$target"
    for file in "$@"; do
        if [ -f "$file" ]; then head -c "$most" "$file" > "corpus/$target/$(basename "$file")"; fi
    done
}
take pickle 60000 "$data"/cifar100/cifar-100-python/meta "$data"/psicov/features/*.pkl "$data"/ecg/challenge2017.pkl
take npy 60000 "$data"/psicov/distance/*.npy "$data"/ninapro/label_*.npy "$data"/satellite/satellite_test.npy
take npz 200000 "$data"/deepsea/*.npz
take mat 60000 "$data"/ecg/records/*.mat "$data"/darcy/*smooth2.mat
take wav 20000 "$data"/fsd50k/clips_22050/1-*.wav
take fits 60000 "$data"/cosmic/*.fits
take archive 60000 "$data"/darcy/*.pt "$data"/deepsea/*.npz
take csv 20000 "$data"/fsd50k/*.csv "$data"/satellite/*.csv "$data"/ecg/records/REFERENCE.csv
take text 20000 "$data"/deepsea/*.bed "$data"/deepsea/*.fa "$data"/ecg/records/*.hea "$data"/psicov/alignments/toxd.a3m
take manifest 60000 ../manifests/*.toml ../tests/golden/manifest/*/*.toml ../tests/golden/manifest/*.toml
# Golden files hold bytes as hexadecimal text, under the key `hex`.
for pair in npy:npy pickle:pickle archive:archive npz:npz; do
    target=${pair%:*} index=0
    mkdir -p "corpus/$target"
    grep -o '"[^"]*":"[0-9a-f]\{40,\}"' "../tests/golden/containers/${pair#*:}.json" | cut -d'"' -f4 |
        while read -r hex; do
            index=$((index + 1))
            printf '%b' "$(printf '%s' "$hex" | sed 's/../\\x&/g')" > "corpus/$target/golden-$index"
        done
done
# hdf5.json gives runs of zeros by their length.
mkdir -p corpus/hdf5
grep -o '"packed":\[[^]]*\]' ../tests/golden/containers/hdf5.json | grep -o '"[0-9a-f]*"\|[0-9]\+' |
    { while read -r piece; do
        case $piece in
        \"*) printf '%b' "$(printf '%s' "$piece" | tr -d '"' | sed 's/../\\x&/g')" ;;
        *) head -c "$piece" /dev/zero ;;
        esac
    done; } > corpus/hdf5/golden-1
du -s corpus/*
