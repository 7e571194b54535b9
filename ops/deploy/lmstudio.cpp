#include "ops/deploy/lmstudio.h"

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

fs::path lmstudio_home(const fs::path& home) {
  std::error_code ignored;
  const fs::path pointer = home / ".lmstudio-home-pointer";
  if (fs::is_regular_file(pointer, ignored)) {
    std::string text = read_text_file(pointer, 64 << 10);
    text.erase(text.find_last_not_of(" \t\r\n") + 1);
    if (fs::is_directory(text, ignored)) return text;
  }
  for (const char* folder : {".lmstudio", ".cache/lm-studio"})
    if (fs::is_directory(home / folder, ignored)) return home / folder;
  throw UserError("N001", (home / ".lmstudio").string(), "LM Studio has no folder here",
                  "start LM Studio once, or name its models folder with the target's 'path'");
}

}  // namespace

fs::path lmstudio_models(const fs::path& home) {
  const fs::path folder = lmstudio_home(home);
  std::error_code ignored;
  const fs::path settings = folder / "settings.json";
  if (fs::is_regular_file(settings, ignored)) {
    const Json json = read_json(settings, 16 << 20);
    if (json.is_object() && json.contains("downloadsFolder") &&
        json["downloadsFolder"].is_string() && !json["downloadsFolder"].get<std::string>().empty())
      return json["downloadsFolder"].get<std::string>();
  }
  return folder / "models";
}

}  // namespace slmtune::ops
