#!/bin/sh
# Splits the biopsies as life splits them, and writes three CSV files with a header:
#   test.csv              every fifth biopsy of each diagnosis, held out
#   cancer-centre.csv     of the rest, nine tenths of the malignant and one tenth of the benign
#   screening-clinic.csv  the others: one tenth of the malignant, nine tenths of the benign
# The patients' ids are dropped. The split is fixed, so that everybody who runs it gets the same files.
#
#   split.sh WDBC_DATA OUTPUT_FOLDER
set -eu
data=$1
out=$2
mkdir -p "$out"
awk -F , -v out="$out" '
  BEGIN {
    count = split("radius texture perimeter area smoothness compactness concavity concave_points " \
                  "symmetry fractal_dimension", measure, " ")
    split("mean se worst", part, " ")
    header = "diagnosis"
    for (p = 1; p <= 3; p++) for (m = 1; m <= count; m++) header = header "," measure[m] "_" part[p]
    centre = out "/cancer-centre.csv"; clinic = out "/screening-clinic.csv"; test = out "/test.csv"
    print header > centre; print header > clinic; print header > test
  }
  NF == 32 {
    row = substr($0, length($1) + 2)
    if (seen[$2]++ % 5 == 2) { print row > test; next }
    rare = kept[$2]++ % 10 == 6
    print row > (($2 == "M") != rare ? centre : clinic)
  }' "$data"
