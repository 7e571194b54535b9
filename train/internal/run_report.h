// What a run tells: lines of log.jsonl, the progress line, messages.
#pragma once
#include "train/internal/run.h"

namespace slmtune::train {

// The objective's own numbers of a step or a validation.
NamedNumbers metrics_of(const Run& run, const Sums& sums);

// Those that a JSON file can hold.
std::map<std::string, double> finite(const NamedNumbers& numbers);

// Of the machine over some time; none where its rates are not known.
std::optional<Utilisation> utilisation(const Run& run, const TokensDone& done, double seconds);

void log_validation(Run& run, const Sums& sums, double loss);
void log_step(Run& run, const Step& step);
void log_halving(Run& run, const Halving& halving, const std::string& reason);
void finish_progress(Run& run);

// T001.
[[noreturn]] void throw_diverged(const Run& run);

}  // namespace slmtune::train
