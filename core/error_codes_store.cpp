#include "core/internal/error_tables.h"

namespace slmtune {
namespace {

using enum ExitCode;

// S: the store of numbered snapshots. One row per code, sorted by code.
constexpr ErrorRow kRows[] = {
    {"S001", kNoInput, "no such snapshot",
     "The store has no published snapshot of that number. Numbers are never reused, so a run that "
     "was stopped before "
     "it published leaves a gap. 'slmtune snapshots list' shows what is there."},
    {"S002", kNoInput, "no such alias",
     "The store has no alias of that name. 'latest' exists after the first snapshot, 'production' "
     "only after one was "
     "promoted. 'slmtune snapshots list' shows aliases and numbers."},
    {"S003", kUsage, "not a snapshot reference",
     "A snapshot is named as STORE#42, STORE#production, #42 inside a store, or by the path of its "
     "folder. Quote the "
     "text in a shell, where # starts a comment after a space."},
    {"S004", kBadData, "snapshot changed after it was published",
     "A file of the snapshot does not have the size or the SHA-256 that manifest.json recorded "
     "when it was published. "
     "Either somebody edited it or the disk is failing. Do not use this snapshot: go back to an "
     "earlier one, and check "
     "the disk."},
    {"S005", kBadData, "manifest unreadable",
     "The manifest.json of a snapshot is damaged or does not fit its folder. Without it neither "
     "the origin nor the "
     "content of the snapshot can be trusted. Use another snapshot or restore this one from a "
     "backup."},
    {"S006", kBadData, "snapshot file missing",
     "A file that manifest.json lists is not in the snapshot's folder. Somebody removed it, or a "
     "copy of the store was "
     "incomplete. Use another snapshot or restore this one from a backup."},
    {"S007", kBadData, "alias file damaged",
     "aliases.json in the store is not a table of alias names and snapshot numbers. It is only "
     "ever replaced as a "
     "whole, so somebody edited it. Correct it by hand: journal.jsonl lists every move with its "
     "time."},
    {"S008", kRefused, "snapshot withdrawn",
     "The snapshot was trained on rows that were to be forgotten ('slmtune snapshots forget "
     "--apply'), so it is not put into production, and one that is there should leave it. Train "
     "again without the rows and promote the result, or go back with 'slmtune snapshots "
     "rollback'."},
    {"S009", kNoInput, "nothing to go back to",
     "A rollback puts the snapshot into production that was there before. The store has none: "
     "nothing was promoted before the present one, or what was is removed, withdrawn or damaged. "
     "Choose a snapshot with 'slmtune snapshots promote'."},
    {"S010", kBadData, "alias names a missing snapshot",
     "aliases.json names a snapshot whose folder is not there. slmtune itself never removes what "
     "an alias names, so somebody deleted the folder or restored a part of the store. Restore "
     "the folder, or promote another snapshot."},
    {"S011", kBadData, "row index damaged",
     "rows.index of a snapshot, or row.key of the store that it is read with, has not the form "
     "that slmtune writes. Without it nobody can tell whether the snapshot was trained on a "
     "certain row. Restore the file from a backup."},
    {"S012", kBadData, "journal line changed",
     "A line of journal.jsonl does not have the checksum that was written with it, so it was "
     "edited or the disk is failing. It is passed over: the history of production and the time "
     "that retention goes by may have a gap there. Restore the journal from a backup, or remove "
     "the line."},
};

}  // namespace

std::span<const ErrorRow> store_rows() {
  return kRows;
}

}  // namespace slmtune
