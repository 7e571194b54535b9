// feedback.jsonl of a store: what people thought of answers, one line per vote, append-only.
// Whoever changes their mind votes again; the last vote on an answer counts.
//
//   {"answer":"2026-05-04#17","snapshot":7,"vote":"up","time":"2026-05-04T09:05:07Z"}
//
// No text of a question or an answer: those stay where the id comes from.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace slmtune::store {

struct Vote {
  std::string answer;    // id given by whoever shows the answers
  int64_t snapshot = 0;  // that gave the answer
  bool is_up = true;
  std::string time;  // UTC; filled when the vote is written and this is empty
};

struct Votes {
  std::vector<Vote> votes;  // the last one on each answer of each snapshot, in the order of writing
  // Lines that are no votes: cut off by a crash, or changed by hand.
  int64_t passed_over = 0;
};

// On the disk when the call returns; a crash in its middle leaves a torn line at most, which
// readers pass over. Needs no lock: several processes may append. W001, W002, W003, W004.
void append_vote(const std::filesystem::path& path, const Vote& vote);

// No votes when there is no such file. W001, F001.
Votes read_votes(const std::filesystem::path& path);

}  // namespace slmtune::store
