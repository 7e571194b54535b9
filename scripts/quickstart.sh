#!/usr/bin/env bash
# From nothing to an answer: installs what is missing, builds, makes a tiny base model, fine-tunes it on a company FAQ,
# scores both, exports the result and asks it a question. About 4 minutes of training on two cores.
#
#   scripts/quickstart.sh            goes on where an earlier quick start stopped
#   scripts/quickstart.sh --again    deletes the two quick-start stores and trains anew
set -euo pipefail
cd "$(dirname "$0")/.."

BASE=runs/quickstart-base
FAQ=runs/quickstart-faq
HELDOUT=recipes/quickstart/data/faq_heldout.jsonl
QUESTION="When are you open on Saturday?"

again=false
case "${1:-}" in
  "") ;;
  --again) again=true ;;
  -h | --help)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
  *)
    echo "quickstart: unknown option '$1'; the only one is --again" >&2
    exit 1
    ;;
esac

start=$SECONDS
step() { printf '\n[%s] %s (%d s since the start)\n' "$1" "$2" $((SECONDS - start)); }
slmtune() { build/release/slmtune "$@"; }

# Trains a recipe into its store, unless the first snapshot is there.
train_once() {
  local recipe=$1 store=$2
  if [ -d "$store/snapshots/0001" ]; then
    echo "$store#1 exists already: skipped (--again starts over)"
  else
    slmtune train "$recipe" >/dev/null
  fi
}

step 1/6 "set-up"
scripts/setup.sh

step 2/6 "building build/release/slmtune"
cmake --preset release >/dev/null
cmake --build --preset release --target slmtune

if $again; then
  echo "--again: deleting $BASE and $FAQ"
  rm -rf -- "$BASE" "$FAQ"
fi

step 3/6 "a tiny base model from random weights: recipes/quickstart/base.yaml"
train_once recipes/quickstart/base.yaml "$BASE"

step 4/6 "fine-tuning it with LoRA on a company's FAQ: recipes/quickstart/faq.yaml"
train_once recipes/quickstart/faq.yaml "$FAQ"

step 5/6 "base and tuned model on questions in wordings that neither has seen: $HELDOUT"
slmtune eval "$FAQ#1" --data "$HELDOUT" --metrics loss,exact_match,f1

step 6/6 "asking the tuned model"
gguf=$(compgen -G "$FAQ/exports/0001/*-q8_0.gguf" | head -n 1 || true)
if [ -z "$gguf" ]; then
  gguf="$FAQ/exports/0001/quickstart-faq-q8_0.gguf"
  slmtune export "$FAQ#1" --format gguf --encoding q8_0 --to "$gguf" >/dev/null
fi
echo "question: $QUESTION"
printf 'answer:   '
slmtune generate -q "$FAQ#1" --prompt "$QUESTION" --greedy --max-tokens 64

cat <<END

Done after $((SECONDS - start)) s. Where everything lies:
  $BASE/snapshots/0001   the tiny base model (a Hugging Face folder)
  $FAQ/snapshots/0001    the adapter (a PEFT folder), with metrics.json and manifest.json
  $gguf
                                        the merged model for llama.cpp, Ollama or LM Studio
  $FAQ/runs               the run's log.jsonl, TensorBoard events and checkpoints

Next:
  build/release/slmtune chat '$FAQ#1'
  build/release/slmtune snapshots list $FAQ

Your own model and data: download a model folder (config.json, tokenizer.json, *.safetensors) of the Llama, Mistral, Qwen 2,
Gemma 2 or Phi-3 family, for example Qwen2.5-0.5B-Instruct, to models/, copy recipes/quickstart/faq.yaml, set model.path and data.train, and run
  build/release/slmtune train my-recipe.yaml
END
