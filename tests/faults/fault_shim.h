// A stand-in for the calls of libc that change a disk. It counts those on paths below one folder
// and, at a call of a given number, kills the process, cuts the power or lets the call fail. Linked
// into a test (arm) or preloaded into the program itself, which is then armed by its environment:
//
//   LD_PRELOAD=libfault_shim.so SLMTUNE_FAULT_ROOT=/tmp/box SLMTUNE_FAULT_AT=12
//   SLMTUNE_FAULT=power-cut slmtune train faq.yaml
//
// What stdio writes is not seen: results must go through write().
#pragma once
#include <cstdint>
#include <string>

namespace slmtune::faults {

enum class CallKind {
  kWrite,  // write, pwrite, writev, pwritev, copy_file_range, sendfile
  kSync,   // fsync, fdatasync
  kRename,
  kLink,  // link, symlink
  kUnlink,
  kResize,        // ftruncate, truncate, fallocate, open(O_TRUNC) of a file that is there
  kCreate,        // open(O_CREAT) of a file that is not there
  kMakeFolder,    // mkdir
  kRemoveFolder,  // rmdir
};

enum class Fault {
  kNone,
  kKillBefore,
  kKillHalf,  // after half of a write
  kKillAfter,
  kPowerCut,    // after the call: what was not synced is lost, then the process is killed
  kNoSpace,     // ENOSPC
  kInputError,  // EIO
  kShortWrite,
  kInterrupt,  // EINTR
};

// What of the unsynced changes a power cut takes. Disks and file systems differ: any part of them
// may have arrived.
enum class Loss {
  kEverything,
  kContents,  // entries of folders arrived, the bytes of files did not
  kEntries,   // the other way round
  kTorn,      // by chance: older entries, cut and zero-filled contents
};

struct Plan {
  std::string root;  // absolute, without links
  int64_t at = 0;    // number of the call, counted from 1; 0 = no fault
  Fault fault = Fault::kNone;
  bool lasts = false;  // errors: every later call fails too (a disk that stays full or broken)
  Loss loss = Loss::kEverything;
  uint64_t seed = 0;     // of kTorn
  bool can_cut = false;  // keeps the books for cut_power(); a plan with kPowerCut does so too
  const void* no_sync = nullptr;  // syncs with this return address among their callers do nothing
  const void* torn_rename = nullptr;  // and renames with this one are made step by step
  bool plain_renames = false;  // RENAME_NOREPLACE is EINVAL, as some network file systems answer
  int64_t free_bytes = -1;            // what statvfs reports below the root; -1 = the truth
  std::string report;                 // file that gets one line per call; outside of the root
};

// Whether a call of that kind can have that fault.
bool can_have(CallKind kind, Fault fault);

void arm(const Plan& plan);
void disarm();

// The power fails now: `root` becomes what a disk would hold after it. For tests that go on; the
// plan's own cut kills the process.
void cut_power();

}  // namespace slmtune::faults
