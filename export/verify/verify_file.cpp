#include "export/verify/verify_file.h"

#include <system_error>

#include "core/atomic_file.h"
#include "core/log.h"

namespace slmtune::exporting {
namespace {

namespace fs = std::filesystem;

bool is_list_of_records(const OrderedJson& json) {
  if (!json.is_object() || json.value("schema", OrderedJson()) != 1) return false;
  if (!json.contains("files") || !json["files"].is_array()) return false;
  for (const OrderedJson& record : json["files"])
    if (!record.is_object() || !record.contains("file") || !record["file"].is_string())
      return false;
  return true;
}

// None where the folder has no file of that name, or another one.
std::optional<OrderedJson> read_list(const fs::path& path) {
  OrderedJson json = OrderedJson::parse(read_text_file(path), nullptr, /*allow_exceptions=*/false);
  if (!is_list_of_records(json)) return std::nullopt;
  return json;
}

// The records of a folder but for that of `name`.
OrderedJson records_without(const OrderedJson& list, const OrderedJson& name) {
  OrderedJson records = OrderedJson::array();
  for (const OrderedJson& record : list["files"])
    if (record["file"] != name) records.push_back(record);
  return records;
}

void write_list(const fs::path& path, OrderedJson records) {
  const OrderedJson list = {{"schema", 1}, {"files", std::move(records)}};
  write_file(path, list.dump(1) + "\n");
}

}  // namespace

void write_verify_record(const fs::path& folder, const OrderedJson& record) {
  const fs::path path = folder / kVerifyName;
  OrderedJson records = OrderedJson::array();
  if (fs::exists(path)) {
    const auto found = read_list(path);
    if (!found) {
      log_warning("'" + path.string() + "' is no list of checked files, and stays as it is");
      return;
    }
    records = records_without(*found, record["file"]);
  }
  records.push_back(record);
  write_list(path, std::move(records));
}

void drop_verify_record(const fs::path& file) {
  if (!read_verify_record(file)) return;
  const fs::path path = folder_of(file) / kVerifyName;
  write_list(path, records_without(*read_list(path), file.filename().string()));
}

std::optional<OrderedJson> read_verify_record(const fs::path& file) {
  std::error_code error;
  const fs::path path = folder_of(file) / kVerifyName;
  const uint64_t bytes = fs::file_size(file, error);
  if (error || !fs::is_regular_file(path, error)) return std::nullopt;
  const auto list = read_list(path);
  if (!list) return std::nullopt;
  for (const OrderedJson& record : (*list)["files"])
    if (record["file"] == file.filename().string() && record.value("bytes", OrderedJson()) == bytes)
      return record;
  return std::nullopt;
}

}  // namespace slmtune::exporting
