#!/usr/bin/env bash
# Runs the tests of the kernels on the first GPU, each in a process of its own and under 8 minutes, and writes results/summary.json
# and results/summary.md beside this file (or in the folder given). A test whose result is there is not run again: start it anew
# after an interruption. With compute-sanitizer on the path (or in CUDA_HOME), every test of a single operator runs under memcheck
# and racecheck too. Exit status: 0 all passed, 1 some failed, 3 no device.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
results=${1:-$here/results}
export NASPERF_KERNELS=gpu

if ! probe=$("$here/it" --exact kernels::executor::a_device_is_there --nocapture 2>&1); then
    echo "gpu-check: nothing was run: $(grep -m 1 -o 'CUDA: .*\|no NVIDIA driver.*' <<<"$probe" || tail -n 1 <<<"$probe")"
    exit 3
fi
device=$(sed -n 's/.*device: //p' <<<"$probe" | head -n 1)
echo "gpu-check: $device"
mkdir -p "$results"
sanitizer=$(command -v compute-sanitizer || command -v "${CUDA_HOME:-/nowhere}/bin/compute-sanitizer" || true)

# name of the result, then the command
once() {
    local name=$1 start=$SECONDS status=0
    shift
    if [ ! -e "$results/$name.status" ]; then
        timeout 480 "$@" >"$results/$name.log" 2>&1 || status=$?
        echo "$status $((SECONDS - start))" >"$results/$name.status"
    fi
    read -r status seconds <"$results/$name.status"
    if [ "$status" -eq 0 ]; then verdict=passed; elif [ "$status" -eq 124 ]; then verdict="ran past 480 s"; else verdict=FAILED; fi
    printf '%-72s %s, %s s\n' "$name" "$verdict" "$seconds"
}

tests=$("$here/it" --list kernels:: 2>/dev/null | sed -n 's/: test$//p' | grep -v '::faults::\|::executor::')
for test in $tests; do
    once "${test//::/.}" "$here/it" --exact "$test"
done
if [ -n "$sanitizer" ]; then
    for tool in memcheck racecheck; do
        for test in $(grep '::ops::\|::losses::\|::mixed_cell::' <<<"$tests"); do
            once "$tool.${test//::/.}" "$sanitizer" --tool "$tool" --error-exitcode 1 "$here/it" --exact "$test"
        done
    done
else
    echo "gpu-check: no compute-sanitizer here: memcheck and racecheck were not run"
fi

failed=0
{
    printf '{"device":"%s","sanitizer":%s,"tests":[' "$device" "$([ -n "$sanitizer" ] && echo true || echo false)"
    separator=
    for file in "$results"/*.status; do
        read -r status seconds <"$file"
        printf '%s{"name":"%s","status":%d,"seconds":%d}' "$separator" "$(basename "$file" .status)" "$status" "$seconds"
        separator=,
    done
    printf ']}\n'
} >"$results/summary.json"
{
    printf '# Kernels on %s\n\n| test | result | s |\n|---|---|---|\n' "$device"
    for file in "$results"/*.status; do
        read -r status seconds <"$file"
        [ "$status" -eq 0 ] && verdict=passed || verdict="failed ($status)"
        printf '| %s | %s | %s |\n' "$(basename "$file" .status)" "$verdict" "$seconds"
    done
} >"$results/summary.md"
for file in "$results"/*.status; do
    read -r status _ <"$file"
    [ "$status" -eq 0 ] || failed=$((failed + 1))
done
echo "gpu-check: $failed failed; $results/summary.md"
[ "$failed" -eq 0 ]
