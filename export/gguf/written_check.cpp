#include "export/gguf/written_check.h"

#include <cmath>

#include "core/error.h"
#include "core/mapped_file.h"
#include "core/stop.h"

namespace slmtune::exporting {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_check(const fs::path& path, const std::string& name,
                             const std::string& what) {
  throw FileFormatError("F095", path.string(), "tensor '" + name + "' " + what,
                        "the disk or the memory may be faulty; export again");
}

void check_stored(const WrittenTensor& written, std::span<const std::byte> stored,
                  const std::string& name, const fs::path& path) {
  size_t first = 0;
  for (const WrittenTensor::Piece& piece : written.pieces) {
    check_stop();
    if (crc_of(stored.subspan(first, piece.bytes)) != piece.crc)
      fail_check(path, name, "is not in the file as it was written");
    first += piece.bytes;
  }
}

}  // namespace

CheckedTensor check_difference(const PlannedTensor& planned, const Difference& found,
                               const fs::path& to) {
  const bool is_fine =
      planned.importance.empty() ? found.is_within_bound : found.squares <= found.allowed_squares;
  if (!is_fine)
    fail_check(to, planned.name, "differs from its source by more than the encoding's rounding");
  return {planned.name, planned.encoding->name,
          found.largest > 0.0 ? found.worst / found.largest : found.worst,
          found.source_squares > 0.0 ? std::sqrt(found.squares / found.source_squares) : 0.0};
}

void check_written_file(std::span<const PlannedTensor> plan, std::span<const WrittenTensor> written,
                        const fs::path& path) {
  const GgufFile file = GgufFile::open(path);
  if (file.tensors().size() != plan.size())
    throw FileFormatError("F095", path.string(), "the written file has another number of tensors",
                          "export again");
  for (size_t i = 0; i < plan.size(); ++i) {
    const GgufTensor expected = table_entry(plan[i]), &found = file.tensors()[i];
    if (found != expected)
      fail_check(path, expected.name, "has another shape or type in the written file");
    const auto stored = file.data(expected.name);
    check_stored(written[i], stored, expected.name, path);
    release_pages(stored);
  }
}

}  // namespace slmtune::exporting
