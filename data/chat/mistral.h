// Marks that all of Mistral's templates share.
#pragma once

namespace slmtune::data {

inline constexpr const char* kMistralBegin = "<s>";
inline constexpr const char* kMistralEnd = "</s>";

}  // namespace slmtune::data
