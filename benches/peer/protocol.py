"""How every peer is driven and timed. Import before torch. Knows no network.

A peer has commands, such as `step`; each runs once per call. Forms of a run, each printing JSON, one object a line:
    (no flag)   warms up, times each command `--steps` times, prints one line with medians
    --serve     prints {"ready": …} with what runs, then answers each line of stdin, the name of a command, by its times;
                `check` gives what --check prints. Ends with its input
    --check     loss and digests for start values and data by formula (weights.py), in f32; nothing is timed
Times are seconds: `wall`, and `cpu` of all threads of the process. `peak_mib` is the largest resident size since the command
began (Linux: /proc/self/clear_refs), of the process with PyTorch and all."""
import argparse
import json
import os
import statistics
import sys
import time

# idle threads that spin would be charged, and on a shared machine they starve whoever works
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def parser(description):
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--serve", action="store_true")
    p.add_argument("--check", action="store_true")
    return p


def sizes(text):
    """32x48 or 1000."""
    return [int(n) for n in text.split("x")]


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        pass  # then the peak is that of the whole run


def peak_mib():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM"))


def timed(command):
    reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    result = command()
    found = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak_mib": round(peak_mib(), 1)}
    return found if result is None else found | {"loss": result}


def say(line):
    print(json.dumps(line), flush=True)


def drive(args, what, commands, check):
    """`what` describes the run; `commands` by name; `check` gives the object that --check prints."""
    import torch

    what = {"peer": "torch", "version": torch.__version__, "threads": args.threads} | what
    if args.check:
        say(what | {"check": check()})
    elif args.serve:
        say(what | {"ready": sorted(commands)})
        for line in sys.stdin:
            name = line.strip()
            say(check() if name == "check" else timed(commands[name]))
    else:
        for name, command in commands.items():
            for _ in range(args.warmup):
                command()
            rounds = [timed(command) for _ in range(args.steps)]
            middle = {key: statistics.median(r[key] for r in rounds) for key in ("wall", "cpu", "peak_mib")}
            what |= {name: {key: round(value, 6) for key, value in middle.items()}}
        say(what | {"steps": args.steps})
