#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a random process, again and again, until the job is done.

usage: kill_storm.py RETORT [--prompts N] [--every S] [--kills N] [--seed N] [--workers N]

Afterwards: every prompt has ended, every live sample is there exactly once,
every stored answer is one that the teacher gave, and what was asked twice is
at most what was in flight when something was killed. The supervisor is among
the victims; then the run is started again.

Prints one line of figures.
"""
import argparse
import random
import subprocess
import time

from rig import ENV, Rig, Server, children_of, kill, problems, role_of

IN_FLIGHT = 32


def victims(child):
    """Supervisor, coordinator, store, workers; without what is not exec'd yet."""
    return children_of(child.pid)


def storm(rig, args, dice, counts):
    """Runs the job under fire until it is done; the number of kills."""
    kills = 0
    next_kill = time.monotonic() + args.every
    while True:
        with open(rig.path("run.out"), "ab") as out:
            child = subprocess.Popen(
                [rig.retort, "run", rig.job_path, "--workers", str(args.workers)],
                stdout=out, stderr=out, env=ENV, cwd=rig.dir)
        rig.children.append(child)
        while child.poll() is None:
            if kills < args.kills and time.monotonic() >= next_kill:
                next_kill += args.every
                victim = dice.choice(victims(child))
                name = role_of(victim) or "gone"
                if kill(victim):
                    kills += 1
                    counts[name] = counts.get(name, 0) + 1
            time.sleep(0.01)  # a kill every so often is the test's subject
        if child.returncode in (0, 3):
            return kills
        if child.returncode not in (-9, 137):
            with open(rig.path("run.out"), errors="replace") as f:
                raise AssertionError("exit %d:\n%s" % (child.returncode, f.read()[-3000:]))


def check(rig, server, args, kills):
    rows = rig.check_whole(args.prompts, 2)
    rig.check_against_teacher(rows, server)
    rig.check_sanitizers()
    asked = [l for l in rig.teacher_ledger(server) if l["path"].endswith("completions")]
    needed = args.prompts * 2
    paid_twice = len(asked) - needed
    # Killing the supervisor or the coordinator may end the work of all workers.
    bound = kills * IN_FLIGHT
    assert 0 <= paid_twice <= bound, (len(asked), needed, kills, bound)
    return len(asked), paid_twice, bound


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("retort")
    parser.add_argument("--prompts", type=int, default=5000)
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--kills", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--latency-ms", type=int, default=60)
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(10**6)
    counts = {}
    begun = time.monotonic()
    with Server(args.retort, "--latency-ms", str(args.latency_ms)) as server, \
            Rig(args.retort) as rig:
        rig.corpus(problems(args.prompts))
        rig.job(server.port, teacher={"max_in_flight": IN_FLIGHT})
        print("seed %d" % seed, flush=True)
        kills = storm(rig, args, random.Random(seed), counts)
        asked, paid_twice, bound = check(rig, server, args, kills)
    print("kill storm: %d prompts, %d samples, %d kills (%s), %d requests, %d paid twice "
          "(bound %d), 0 lost, 0 stored twice, %.0f s" % (
              args.prompts, 2 * args.prompts, kills,
              ", ".join("%s %d" % kv for kv in sorted(counts.items())), asked, paid_twice,
              bound, time.monotonic() - begun))


if __name__ == "__main__":
    main()
