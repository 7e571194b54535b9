#include "train/event_file.h"

#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string_view>

#include "core/crc32c.h"
#include "core/error.h"

namespace slmtune::train {
namespace {

// Protobuf wire types.
constexpr uint64_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

template <typename T>
void put_little_endian(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, uint64_t field, uint64_t wire_type) {
  put_varint(out, field << 3 | wire_type);
}

void put_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  put_key(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

// As crc32c::Mask of TensorFlow: a checksum over data that holds checksums is weak, so stored ones
// are disguised.
uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xa282ead8u;
}

std::string framed(std::string_view event) {
  std::string length, record;
  put_little_endian<uint64_t>(length, event.size());
  record = length;
  put_little_endian<uint32_t>(record, masked_crc32c(length));
  record += event;
  put_little_endian<uint32_t>(record, masked_crc32c(event));
  return record;
}

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string event_at(int64_t step) {
  std::string event;
  put_key(event, 1, kFixed64);  // wall_time
  put_little_endian<uint64_t>(event, std::bit_cast<uint64_t>(unix_seconds()));
  put_key(event, 2, kVarint);  // step
  put_varint(event, static_cast<uint64_t>(step));
  return event;
}

void append(const std::filesystem::path& file, const std::string& records) {
  errno = 0;
  std::ofstream stream(file, std::ios::binary | std::ios::app);
  stream.write(records.data(), static_cast<std::streamsize>(records.size()));
  stream.flush();
  if (!stream)
    throw_io_error(file.string(), "cannot write the TensorBoard events", errno ? errno : EIO);
}

}  // namespace

std::filesystem::path start_event_file(const std::filesystem::path& folder, int64_t first_step) {
  auto file = folder / ("events.out.tfevents." +
                        std::to_string(static_cast<int64_t>(unix_seconds())) + ".slmtune");
  std::string version = event_at(0);
  put_bytes(version, 3, "brain.Event:2");  // file_version
  std::string status;
  put_key(status, 1, kVarint);
  put_varint(status, 1);  // SessionLog.START: TensorBoard drops earlier events from this step on
  std::string start = event_at(first_step);
  put_bytes(start, 7, status);  // session_log
  append(file, framed(version) + framed(start));
  return file;
}

void append_scalars(const std::filesystem::path& file, int64_t step,
                    const std::vector<std::pair<std::string, double>>& scalars) {
  std::string summary;
  for (const auto& [tag, number] : scalars) {
    std::string value;
    put_bytes(value, 1, tag);
    put_key(value, 2, kFixed32);  // simple_value
    put_little_endian<uint32_t>(value, std::bit_cast<uint32_t>(static_cast<float>(number)));
    put_bytes(summary, 1, value);
  }
  std::string event = event_at(step);
  put_bytes(event, 5, summary);
  append(file, framed(event));
}

}  // namespace slmtune::train
