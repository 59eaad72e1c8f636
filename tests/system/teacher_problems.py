#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a teacher that is always right all problems of deploy/make_problems.py.

usage: teacher_problems.py URL MAKE_PROBLEMS
"""
import http.client
import json
import re
import subprocess
import sys
from urllib.parse import urlsplit

url, make = urlsplit(sys.argv[1]), sys.argv[2]
corpus = subprocess.run([sys.executable, make, "--count", "400", "--seed", "7"],
                        check=True, capture_output=True, text=True).stdout
connection = http.client.HTTPConnection(url.hostname, url.port)
wrong = 0
for i, line in enumerate(corpus.splitlines()):
    problem = json.loads(line)
    prompt = problem["question"] + "\nPut your final answer within \\boxed{}."
    body = {"model": "teacher", "seed": i, "messages": [{"role": "user", "content": prompt}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    answer = json.loads(connection.getresponse().read())
    boxed = re.findall(r"\\boxed\{(.*?)\}", answer["choices"][0]["message"]["content"])
    want = problem["answer"].split("#### ")[1]
    if not boxed or boxed[-1].replace(",", "") != want:
        print(f"{problem['id']}: {boxed}, not {want}: {problem['question']}", file=sys.stderr)
        wrong += 1
print(f"{i + 1} problems, {wrong} wrong")
sys.exit(wrong > 0)
