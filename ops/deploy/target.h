// Where a store's snapshots are handed to: one small YAML file for each target, <store>/deploy/
// NAME.yaml, written by the first deploy from --kind and --set and edited by people after that. It
// is not part of the recipe: it tells about a machine, outlives every training run, and a rollback
// must not bring back an old port.
//
//   kind: llama-server
//   server: /usr/local/bin/llama-server
//   port: 8080
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/field_table.h"

namespace slmtune::ops {

struct Target {
  std::string name;                    // of the target; the file's name
  std::string kind;                    // folder | llama-server | ollama | lmstudio
  std::string encoding = "auto";       // of the GGUF; auto: what the snapshot's recipe exports
  std::optional<std::string> model;    // its name at the target; absent: the recipe's name
  std::optional<std::string> path;     // folder, lmstudio: where the files go
  std::optional<std::string> server;   // llama-server: the program
  std::optional<int64_t> port;         // llama-server; absent: a free one for each model
  std::string host = "127.0.0.1";      // llama-server: where it listens
  std::vector<std::string> arguments;  // llama-server: passed on as they are
  std::string url = "http://127.0.0.1:11434";  // ollama
  std::optional<std::string> base;             // ollama: the model that an adapter is pushed onto
  int64_t context = 8192;                      // ollama: tokens
  std::optional<std::string> token_file;       // ollama, llama-server: holds the server's API key
  bool allow_remote = false;                   // ollama: another machine, by https
  int64_t keep = 2;            // models that stay at the target, the present one included
  int64_t wait_seconds = 300;  // for a model to be loaded

  static const FieldTable<Target>& fields();
};

// <store>/deploy, which exists after the first deploy.
std::filesystem::path deploy_folder(const std::filesystem::path& store);
std::filesystem::path target_file(const std::filesystem::path& store, const std::string& name);
// Held by whoever changes what the target serves.
std::filesystem::path target_lock(const std::filesystem::path& store, const std::string& name);

// The target's file; when there is none and `kind` is given, what `kind` and `settings`
// ("port=8080") say. V004 no such target, U004 a name that no file can have, U006 flags that differ
// from the file, R… mistakes in the file or the settings, V006 an address that is not allowed.
Target read_target(const std::filesystem::path& store, const std::string& name,
                   const std::string& kind, const std::vector<std::string>& settings);

// Writes the target's file when there is none. W001 … W004.
void keep_target(const std::filesystem::path& store, const Target& target);

}  // namespace slmtune::ops
