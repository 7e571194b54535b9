// What a target serves, in <store>/deploy/NAME.json: the present model, the earlier ones that a
// rollback can go to, one that is on its way, and how the last attempt ended. Replaced as a whole
// before and after every step, so that whoever comes after a crash knows what was begun.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace slmtune::ops {

// One model at a target.
struct Deployed {
  int64_t number = 0;          // of the snapshot
  std::filesystem::path file;  // that was handed over
  std::string sha256;          // of that file
  uint64_t bytes = 0;
  bool is_adapter = false;  // goes onto a base that the server has
  std::string time;         // since when it serves
  std::string name;         // at the target: file name, tag, or alias
  bool is_checked = false;  // it passed its probe
  bool is_return = false;   // pending: the newest of the earlier ones, on its way back
  // llama-server: the process, told from a later one of the same number by its start.
  int64_t pid = 0;
  uint64_t start_ticks = 0;
  int64_t port = 0;
  std::string digest;  // Ollama's, of the tag

  bool same_file(const Deployed& other) const {
    return number == other.number && sha256 == other.sha256 && is_adapter == other.is_adapter;
  }
};

struct DeployState {
  std::string target, kind;
  std::optional<Deployed> current;
  std::vector<Deployed> earlier;    // oldest first
  std::optional<Deployed> pending;  // prepared, and not serving yet
  std::optional<Deployed> leaving;  // served before and may still be there
  // The last attempt that changed nothing: snapshot, error code and time.
  int64_t failed_number = 0;
  std::string failed_code, failed_time;
  // A training has stopped its server for a while (serving_pause.h). Left behind by one that was
  // killed: the next deploy or training has it serve again.
  bool is_paused = false;

  // `pending` serves, what served before is leaving.
  void exchange();
  // Whether the present model or an earlier one has this name at the target.
  bool has_name(const std::string& name) const;
  // `stem` + `extension`; where one of them has that name for other bytes than those of `wanted`
  // (the same snapshot encoded otherwise), with a part of their SHA-256 behind the stem.
  std::string free_name(const std::string& stem, const std::string& extension,
                        const Deployed& wanted) const;
};

std::filesystem::path state_file(const std::filesystem::path& store, const std::string& target);

// Empty when there is none. V008 when it is damaged.
DeployState read_state(const std::filesystem::path& store, const std::string& target);
// Durable. W001 … W004.
void write_state(const std::filesystem::path& store, const DeployState& state);

// Targets of which the store has a record, by name.
std::vector<std::string> deployed_targets(const std::filesystem::path& store);

}  // namespace slmtune::ops
