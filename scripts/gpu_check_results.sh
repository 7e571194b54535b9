# Part of gpu_check.sh: what came of the parts, as text, Markdown and JSON.

part_names=() part_results=() part_seconds=() part_remarks=()

note() { # NAME RESULT SECONDS REMARK
  part_names+=("$1") part_results+=("$2") part_seconds+=("$3") part_remarks+=("$4")
  printf '    %s%s\n' "$2" "${4:+: $4}"
}

last_line() { # FILE
  grep -v '^[[:space:]]*$' "$1" | tail -n 1 | cut -c 1-200
}

# Letters, digits and marks that need no care in JSON and in tables.
plain() { # TEXT
  tr -d '\000-\037"\\|' <<<"$1" | tr -d '\n'
}

revision() {
  git -C "$root" describe --always --dirty 2>/dev/null || cat "$root/revision" 2>/dev/null || echo unknown
}

parts_json() {
  local i comma=
  for i in "${!part_names[@]}"; do
    printf '%s\n  {"name": "%s", "result": "%s", "seconds": %d, "remark": "%s"}' "$comma" "${part_names[i]}" \
      "${part_results[i]}" "${part_seconds[i]}" "$(plain "${part_remarks[i]}")"
    comma=,
  done
}

write_json() { # FILE
  local name
  {
    printf '{"schema": 1, "gpu": "%s", "memory_mib": %d, "driver": "%s", "compute_capability": "%s",\n' "$(plain "$gpu")" \
      "$card_mib" "$(plain "$driver")" "$(plain "$capability")"
    printf ' "libtorch": "%s", "revision": "%s", "date": "%s", "mode": "%s", "seconds": %d,\n' "$(plain "$libtorch_version")" \
      "$(plain "$(revision)")" "$(date -u +%FT%TZ)" "$mode" "$SECONDS"
    printf ' "parts": [%s]' "$(parts_json)"
    for name in kernels training card-12 card-24 peers models; do
      [ ! -s "$work/$name.json" ] || printf ',\n "%s": %s' "$name" "$(cat "$work/$name.json")"
    done
    printf '}\n'
  } >"$1"
}

# The tables that a part printed, under a heading.
section() { # PART TITLE
  grep -q '^|' "$work/$1.log" 2>/dev/null || return 0
  printf '\n## %s\n\n' "$2"
  # A table ends before the next one begins.
  awk '/^\|/ { if (gap) print ""; gap = 0; print; seen = 1; next } { gap = seen }' "$work/$1.log"
  sed -n 's/^\(.*: failed: .*\)$/\n\1/p' "$work/$1.log"
}

write_markdown() { # FILE
  local i
  {
    printf '# %s\n\n' "$gpu"
    printf 'Written by `scripts/gpu_check.sh` (%s) at revision %s on %s: %d MiB, compute capability %s, driver %s,\n' "$mode" \
      "$(revision)" "$(date -u +%F)" "$card_mib" "$capability" "$driver"
    printf 'LibTorch %s. Weights are random, in the shapes of the named models; a part that did not pass says so.\n\n' \
      "$libtorch_version"
    printf '| part | result | seconds | remark |\n|---|---|---|---|\n'
    for i in "${!part_names[@]}"; do
      printf '| %s | %s | %d | %s |\n' "${part_names[i]}" "${part_results[i]}" "${part_seconds[i]}" \
        "$(plain "${part_remarks[i]}")"
    done
    section kernels "Kernels: share of the bound that memory or matrix products set"
    section training "Training, all of the card"
    section card-12 "Training within 12 GiB"
    section card-24 "Training within 24 GiB"
    section peers "Beside other trainers"
    section models "Larger models"
  } >"$1"
}

write_results() {
  local name
  name=$(tr '[:upper:]' '[:lower:]' <<<"$gpu" | tr -cs 'a-z0-9' '-' | sed 's/^-*//; s/-*$//')
  [ $mode != quick ] || name=$name-quick
  results=$out/$name
  write_json "$results.json"
  write_markdown "$results.md"
}

# What passed; the exit status of the whole.
print_summary() {
  local i bad=0
  echo
  for i in "${!part_names[@]}"; do
    printf '%-10s %-12s %4d s  %s\n' "${part_names[i]}" "${part_results[i]}" "${part_seconds[i]}" "${part_remarks[i]}"
    case "${part_results[i]}" in failed | "out of time") bad=1 ;; esac
  done
  echo "$SECONDS s in all; results: $results.md and .json"
  return $bad
}
