#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a corpus of arithmetic word problems that the built-in teacher solves.

The sentences are those of deploy/teacher/MODEL.md, section "Problems". A line is
{"id", "question", "answer", "level"}; the answer ends in "#### N" as GSM8K's do,
and the level is the number of steps.
"""
import argparse
import json
import random
import sys

NAMES = """Ada Amir Bela Carlos Chen Dalia Elif Emma Femi Grace Hana Ivan Jonas Kofi
Lena Liam Maya Mia Nadia Noah Olga Omar Pia Priya Rosa Sami Tara Tomas Uma Vera Yuki
Zoe""".split()
THINGS = """apples books buttons candles coins cookies eggs flowers keys lemons marbles
nuts oranges pears pencils postcards shells stamps stickers stones tickets toys""".split()
PLACES = "attic barn cellar garden garage kitchen library market school workshop".split()
HOLDERS = "basket bowl box crate drawer jar sack tin trunk".split()
LEAD_INS = ["", "", "", "Then ", "Later, ", "After that, ", "The next day, ",
            "In the evening, ", "On the way home, "]


def number(n):
    """As people write it: sometimes with a comma from a thousand on."""
    return f"{n:,}" if n >= 1000 and n % 2 == 0 else str(n)


class Story:
    """A problem being told: its sentences, its workings, the number so far."""

    def __init__(self, dice):
        self.dice = dice
        self.name, self.friend = dice.sample(NAMES, 2)
        self.thing = dice.choice(THINGS)
        self.place = dice.choice(PLACES)
        self.value = 0
        self.steps = 0
        self.said = []
        self.workings = []
        self.asks = None  # a question of its own, after the last sentence

    def say(self, sentence):
        lead_in = self.dice.choice(LEAD_INS) if self.said else ""
        if lead_in and sentence.split()[0] not in NAMES:
            sentence = sentence[0].lower() + sentence[1:]
        self.said.append(f"{lead_in}{sentence}.")

    def reckon(self, left, sign, right, result):
        self.workings.append(f"{left} {sign} {right} = {result}")
        self.value = result
        self.steps += 1

    def begin(self):
        n = self.dice.randint(2, 90) if self.dice.random() < 0.8 else self.dice.randint(
            100, 4000)
        self.value = n
        self.say(self.dice.choice([
            f"{self.name} has {number(n)} {self.thing}",
            f"{self.name} starts with {number(n)} {self.thing}",
            f"{self.name} counts {number(n)} {self.thing} in the {self.place}",
            f"There are {number(n)} {self.thing} in the {self.place}",
            f"A {self.dice.choice(HOLDERS)} holds {number(n)} {self.thing}",
        ]))

    def begin_with_product(self):
        n, m = self.dice.randint(2, 30), self.dice.randint(2, 40)
        kind = self.dice.randrange(5)
        if kind == 3:
            self.thing = "pages"
        if kind == 4:
            self.thing = "dollars"
        self.say([
            f"{self.name} buys {n} boxes of {m} {self.thing} each",
            f"{self.name} fills {n} bags with {m} {self.thing} each",
            f"There are {n} rows of {m} {self.thing} in the {self.place}",
            f"{self.name} reads {n} pages a day for {m} days",
            f"{self.name} saves {n} dollars a week for {m} weeks",
        ][kind])
        self.reckon(n, "*", m, n * m)

    def add(self):
        n = self.dice.randint(2, 80)
        self.say(self.dice.choice([
            f"{self.name} buys {n} more",
            f"{self.name} finds {n} more {self.thing}",
            f"{self.name} gets {n} more from {self.friend}",
            f"{self.friend} adds {n} more {self.thing}",
            f"A friend brings {n} more",
            f"{n} more {self.thing} arrive",
        ]))
        self.reckon(self.value, "+", n, self.value + n)

    def subtract(self):
        n = self.dice.randint(1, self.value - 1)
        self.say(self.dice.choice([
            f"{self.name} gives {number(n)} of them to {self.friend}",
            f"{self.name} loses {number(n)} of them",
            f"{self.name} sells {number(n)} of them",
            f"{self.name} uses {number(n)} of them",
            f"{number(n)} of the {self.thing} are broken",
            f"{self.friend} takes {number(n)} {self.thing} away",
        ]))
        self.reckon(self.value, "-", n, self.value - n)

    def multiply(self, is_last):
        n = self.dice.randint(2, 9)
        kind = self.dice.randrange(3 if is_last else 2)
        if kind == 0:
            n = self.dice.choice([2, 3])
            self.say(f"The number of {self.thing} {'doubles' if n == 2 else 'triples'}")
        elif kind == 1:
            self.say(f"The number of {self.thing} grows to {n} times as many")
        else:
            self.say(f"{self.friend} has {n} times as many {self.thing}")
            self.asks = f"How many {self.thing} does {self.friend} have?"
        self.reckon(self.value, "*", n, self.value * n)

    def halve(self):
        self.say("Half of them are sold")
        self.reckon(self.value, "/", 2, self.value // 2)

    def divide(self):
        n = self.dice.choice([d for d in range(2, 25) if self.value % d == 0])
        kind = self.dice.randrange(3)
        if kind == 0:
            self.say(f"{self.name} packs them into bags of {n}")
            self.asks = "How many bags does that make?"
        elif kind == 1:
            self.say(f"{self.name} puts them into {n} equal piles")
            self.asks = f"How many {self.thing} are in each pile?"
        else:
            self.say(f"{self.name} shares them equally among {n} friends")
            self.asks = f"How many {self.thing} does each friend get?"
        self.reckon(self.value, "/", n, self.value // n)

    def price(self):
        n = self.dice.randint(2, 12)
        self.say(f"Each of the {self.thing} is worth {n} dollars")
        self.asks = "How many dollars are they worth together?"
        self.reckon(self.value, "*", n, self.value * n)

    def step(self, is_last):
        can = [self.add, self.add]
        if self.value >= 2:
            can += [self.subtract, self.subtract]
        if self.value >= 2 and self.value % 2 == 0:
            can.append(self.halve)
        if self.value < 10000:
            can.append(lambda: self.multiply(is_last))
        if is_last and any(self.value % d == 0 for d in range(2, 25)):
            can += [self.divide, self.divide]
        if is_last and self.value < 10000:
            can.append(self.price)
        self.asks = None
        self.dice.choice(can)()

    def question(self):
        if self.asks:
            return self.asks
        return self.dice.choice([
            f"How many {self.thing} are there now?",
            f"How many {self.thing} are there in the end?",
            f"How many {self.thing} does that leave?",
        ])


def make(dice):
    steps = dice.choice([1, 1, 2, 2, 2, 3, 3, 4])
    story = Story(dice)
    if dice.random() < 0.3:
        story.begin_with_product()
    else:
        story.begin()
    while story.steps < steps:
        story.step(is_last=story.steps + 1 == steps)
    return {
        "question": " ".join(story.said + [story.question()]),
        "answer": "\n".join(story.workings) + f"\n#### {story.value}",
        "level": str(story.steps),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("-o", "--output", default="-", help="a file; - is standard output")
    args = parser.parse_args()
    dice = random.Random(args.seed)
    seen = set()
    out = sys.stdout if args.output == "-" else open(args.output, "w", encoding="utf-8")
    while len(seen) < args.count:
        problem = make(dice)
        if problem["question"] in seen:
            continue
        seen.add(problem["question"])
        line = {"id": f"p{len(seen):05}", **problem}
        out.write(json.dumps(line, ensure_ascii=False) + "\n")
    if out is not sys.stdout:
        out.close()


if __name__ == "__main__":
    main()
