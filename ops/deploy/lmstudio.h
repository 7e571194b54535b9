// Where LM Studio looks for models.
#pragma once
#include <filesystem>

namespace slmtune::ops {

// The folder below `home` (the user's) that holds <publisher>/<model>/<file>.gguf:
// "downloadsFolder" of LM Studio's settings.json, else its folder models. LM Studio's own folder is
// the one that
// ~/.lmstudio-home-pointer names, else ~/.lmstudio or, of older versions, ~/.cache/lm-studio.
// N001 when there is no LM Studio.
std::filesystem::path lmstudio_models(const std::filesystem::path& home);

}  // namespace slmtune::ops
