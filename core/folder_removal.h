// Removing a folder so that a crash leaves all of it or nothing that anybody sees: it is renamed to
// a hidden name and the rename made durable; only then its files are deleted. What a crash leaves
// hidden is deleted by the next remove_hidden().
//
//   hide_folder("exports/0042");     // exports/.removed-0042
//   remove_hidden("exports");
#pragma once
#include <cstdint>
#include <filesystem>

namespace slmtune {

// W001, W003, W004. A folder that is not there any more is no error.
void hide_folder(const std::filesystem::path& folder);

// Deletes every hidden folder in `parent`; returns how many. W001, W003.
int64_t remove_hidden(const std::filesystem::path& parent);

// Deletes the temporaries of AtomicFile that a writer which died left in `folder`; those in use
// stay. Returns how many.
int64_t remove_temporaries(const std::filesystem::path& folder);

}  // namespace slmtune
