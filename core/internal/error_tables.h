// The parts of the table of error codes; error_rows() joins them.
#pragma once
#include <span>

#include "core/error_codes.h"

namespace slmtune {

std::span<const ErrorRow> device_rows();
std::span<const ErrorRow> file_format_rows();
std::span<const ErrorRow> hub_rows();
std::span<const ErrorRow> process_rows();
std::span<const ErrorRow> serving_rows();
std::span<const ErrorRow> store_rows();

}  // namespace slmtune
