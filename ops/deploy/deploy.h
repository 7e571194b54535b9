// `slmtune deploy`: carries a snapshot to a target and keeps the record of it. The order of steps
// makes it safe to be killed anywhere and to be run again:
//
//   journal line → model brought beside the old one → probed → record → switched → record → the old
//   one let go
//
//   DeployReport done = deploy(work);      // or roll_back(work)
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "ops/deploy/deploy_state.h"
#include "ops/deploy/place.h"
#include "ops/deploy/probe.h"
#include "store/snapshot_store.h"

namespace slmtune::ops {

// A GGUF file to be handed over, with the hash of its bytes as they were just read.
struct HandedFile {
  std::filesystem::path path;
  std::string sha256;
};

struct DeployWork {
  std::filesystem::path store;
  Target target;
  int64_t number = 0;  // of the snapshot; 0 = the one that the target has
  std::string reason, command;
  bool thorough = false;  // compares every byte, and probes what serves already
  bool dry_run = false;   // looks only: nothing is written, nobody is asked

  // What a place needs to know of a snapshot. Its `store` and `target` are filled in.
  std::function<PlaceContext(int64_t number)> context_of;
  // The GGUF file of a snapshot, made when it is missing, or anew.
  std::function<HandedFile(int64_t number, bool is_adapter, bool anew)> file_of;
  std::function<Probe(int64_t number)> probe_of;
};

struct DeployReport {
  int64_t number = 0, from = 0;  // 0 = nothing
  bool changed = false;
  std::string repaired;  // what was wrong with the model that the target had
  std::string where;     // it is served
  Deployed model;
  ProbeResult probe;
  std::optional<double> gap_seconds;  // without an answer
  double seconds = 0;
};

// L001 another deploy to this target; V…; S001, S008 a withdrawn snapshot; what file_of throws.
// After an error the target serves what it served before.
DeployReport deploy(const DeployWork& work);

// The model that the target served before, again. With a `number` only when that is the one to be
// taken back; otherwise nothing is changed. V007 nothing to go back to.
DeployReport roll_back(const DeployWork& work);

}  // namespace slmtune::ops
