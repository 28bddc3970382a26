#!/bin/sh
# Compiles two-hospitals' perceptron to a static library and trains it from plain C.
# Usage: run.sh [ANCHORHOLD [FOLDER]]: the command, and where to write (default: a new folder).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
anchorhold=${1:-anchorhold}
folder=${2:-$(mktemp -d)}
"$anchorhold" model compile "$here/../two-hospitals/models/mlp.onnx" --mode train \
  --loss binary-cross-entropy --emit static-lib -o "$folder"
"${CC:-cc}" -std=c99 -O2 -Wall -Wextra -I "$folder" "$here/train.c" "$folder/libmodel.a" -o "$folder/train"
"$folder/train"
