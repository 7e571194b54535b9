#include "ops/deploy/deploy.h"

#include <fmt/format.h>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_lock.h"
#include "core/log.h"
#include "core/stop.h"
#include "core/text.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

// A model that served before was probed then.
constexpr size_t kProbesOfRollback = 5;

// Errors become warnings.
template <typename Work>
void attempt(const std::string& problem, const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    log_warning("deploy: " + problem + ": " + error.diagnostics().front().what);
  } catch (const fs::filesystem_error& error) {
    log_warning("deploy: " + problem + ": " + error.code().message());
  } catch (const std::exception& error) {
    log_verbose(error.what());
    log_warning("deploy: " + problem);
  }
}

// One run of the command; the lock is held and the record read.
class Deployment {
 public:
  Deployment(const DeployWork& work, int64_t number)
      : work_(work), state_(read_state(work.store, work.target.name)), number_(number) {
    if (state_.current && state_.kind != work.target.kind)
      throw UserError("U006", target_file(work.store, work.target.name).string(),
                      "the target was of kind " + state_.kind + " when it was deployed to",
                      "give the new one another name");
    state_.kind = work.target.kind;
    state_.is_paused = false;  // no pause lives, since it would hold the lock; and now it serves
    PlaceContext context = work.context_of(number);
    context.store = work.store;
    context.target = work.target;
    place_ = make_place(std::move(context));
    report_.from = state_.current ? state_.current->number : 0;
    report_.number = number;
  }

  void recover() {
    if (state_.pending || state_.leaving) place_->recover(state_, save_);
    report_.from = state_.current ? state_.current->number : 0;
  }
  DeployReport bring(bool thorough);
  DeployReport bring_back();

 private:
  void announce(const char* action);
  Deployed handed_over();
  bool is_served_already(const Deployed& wanted, bool thorough);
  void carry(Deployed wanted, size_t probes);
  void check(const Deployed& model, size_t probes);
  void serve();
  template <typename Work>
  void recorded(const Work& work);
  void fail(const std::string& code) noexcept;
  void let_go();
  DeployReport finished();

  const DeployWork& work_;
  DeployState state_;
  int64_t number_;
  std::unique_ptr<Place> place_;
  SaveState save_ = [this] { write_state(work_.store, state_); };
  DeployReport report_;
  bool is_rollback_ = false, is_announced_ = false;
  double begin_ = now_seconds();
};

// Before anything is touched, so that nobody removes what is on its way.
void Deployment::announce(const char* action) {
  if (is_announced_) return;
  store::JournalWriter(work_.store / "journal.jsonl")
      .append({.action = action,
               .number = number_,
               .from = report_.from,
               .reason = work_.reason,
               .target = work_.target.name});
  is_announced_ = true;
}

Deployed Deployment::handed_over() {
  Deployed wanted;
  wanted.number = number_;
  wanted.is_adapter = place_->takes_adapter();
  const auto take = [&](bool anew) {
    const HandedFile file = work_.file_of(number_, wanted.is_adapter, anew);
    wanted.file = fs::absolute(file.path).lexically_normal();
    wanted.sha256 = file.sha256;
    wanted.bytes = fs::file_size(wanted.file);
  };
  take(false);
  const std::optional<Deployed>& current = state_.current;
  if (current && current->number == number_ && current->file == wanted.file &&
      current->sha256 != wanted.sha256) {
    // An export does not change by itself, and the target may share its bytes with this file.
    log_warning("deploy: '" + wanted.file.string() +
                "' is not what was deployed before; it is made again");
    take(true);
    report_.repaired = "its file was changed";
  }
  return wanted;
}

bool Deployment::is_served_already(const Deployed& wanted, bool thorough) {
  if (!state_.current || !state_.current->same_file(wanted)) return false;
  // A server may have the bytes of the changed file in its memory.
  if (report_.repaired.empty()) report_.repaired = place_->fault(*state_.current, thorough);
  if (!report_.repaired.empty()) {
    log_info(fmt::format("deploy: #{} is brought again: {}", number_, report_.repaired));
    return false;
  }
  if (thorough) check(*state_.current, kProbeChats);
  return true;
}

void Deployment::check(const Deployed& model, size_t probes) {
  if (!place_->can_be_asked()) return;
  Probe probe = work_.probe_of(number_);
  if (probe.prompts.empty()) {
    log_info(
        fmt::format("deploy: snapshot #{} is gone, so the model is not probed again", number_));
    return;
  }
  if (probe.prompts.size() > probes) probe.prompts.resize(probes);
  report_.probe = place_->probe(model, probe);
  check_probe(report_.probe, place_->where(model));
}

// state_.pending, which was probed, becomes the one that serves.
void Deployment::serve() {
  state_.pending->is_checked = true;
  state_.pending->time = utc_now();
  save_();
  report_.gap_seconds = place_->activate(state_, save_);
  state_.exchange();
  state_.failed_number = 0;
  save_();
  report_.changed = true;
}

// What `work` throws ends the deploy, and the record says which error it was.
template <typename Work>
void Deployment::recorded(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    fail(error.code());
    throw;
  } catch (const StopRequested&) {
    fail("stop");
    throw;
  } catch (...) {
    fail("error");
    throw;
  }
}

void Deployment::carry(Deployed wanted, size_t probes) {
  recorded([&] {
    wanted.is_checked = false;
    wanted.is_return = is_rollback_;
    state_.pending = std::move(wanted);
    save_();
    place_->prepare(state_, save_);
    check_stop();
    check(*state_.pending, probes);
    check_stop();
    serve();
  });
  let_go();
}

// The target goes on with what it had, and the record and the journal say so.
void Deployment::fail(const std::string& code) noexcept {
  if (!is_announced_) return;  // nothing was begun
  const StopDeferred to_the_end;
  attempt("the failure could not be recorded", [&] {
    place_->discard(state_);
    state_.pending.reset();
    state_.failed_number = number_;
    state_.failed_code = code;
    state_.failed_time = utc_now();
    save_();
    store::JournalWriter(work_.store / "journal.jsonl")
        .append({.action = "refuse",
                 .number = number_,
                 .from = report_.from,
                 .reason = code,
                 .target = work_.target.name});
  });
  attempt("the model that served before does not serve again", [&] {
    if (state_.current) place_->load(state_, save_);
  });
}

// The new model serves; what goes wrong from here on is no failure of the deploy.
void Deployment::let_go() {
  attempt("an old model could not be removed", [&] {
    if (state_.leaving) {
      place_->release(*state_.leaving);
      if (is_rollback_) place_->forget(*state_.leaving, state_);
    }
    while (state_.earlier.size() + 1 > static_cast<size_t>(work_.target.keep)) {
      state_.leaving = state_.earlier.front();
      state_.earlier.erase(state_.earlier.begin());
      save_();
      place_->forget(*state_.leaving, state_);
    }
    state_.leaving.reset();
    save_();
  });
}

DeployReport Deployment::finished() {
  report_.model = *state_.current;
  report_.where = place_->where(*state_.current);
  report_.seconds = now_seconds() - begin_;
  return report_;
}

DeployReport Deployment::bring(bool thorough) {
  if (report_.from != number_) announce("deploy");
  Deployed wanted;
  bool is_served = false;
  recorded([&] {
    wanted = handed_over();
    is_served = is_served_already(wanted, thorough);
  });
  if (is_served) return finished();
  announce("deploy");
  // What is brought again keeps its name at the target.
  if (state_.current && state_.current->same_file(wanted)) {
    wanted.name = state_.current->name;
    wanted.digest = state_.current->digest;
  }
  carry(std::move(wanted), kProbeChats);
  return finished();
}

DeployReport Deployment::bring_back() {
  is_rollback_ = true;
  announce("rollback");
  carry(state_.earlier.back(), kProbesOfRollback);
  return finished();
}

int64_t served_number(const DeployWork& work) {
  const DeployState state = read_state(work.store, work.target.name);
  if (!state.current)
    throw UserError("V007", state_file(work.store, work.target.name).string(),
                    "nothing was deployed to this target yet", "name a snapshot: STORE#latest");
  return state.current->number;
}

DeployReport look(const DeployWork& work, int64_t number) {
  const DeployState state = read_state(work.store, work.target.name);
  DeployReport report;
  report.number = number;
  report.from = state.current ? state.current->number : 0;
  report.changed = report.number != report.from;
  return report;
}

}  // namespace

DeployReport deploy(const DeployWork& work) {
  const int64_t number = work.number ? work.number : served_number(work);
  const store::SnapshotInfo snapshot = store::SnapshotStore::open(work.store).show(number);
  if (snapshot.is_withdrawn)
    throw UserError("S008", snapshot.path.string(),
                    fmt::format("snapshot #{} is withdrawn", number),
                    "train again without the rows that were to be forgotten");
  if (work.dry_run) return look(work, number);
  make_folder(deploy_folder(work.store));
  const FileLock lock(target_lock(work.store, work.target.name), work.command);
  keep_target(work.store, work.target);
  Deployment deployment(work, number);
  deployment.recover();
  return deployment.bring(work.thorough);
}

DeployReport roll_back(const DeployWork& work) {
  const int64_t served = served_number(work);
  std::optional<FileLock> lock;
  bool was_going_back = false;
  if (!work.dry_run) {
    lock.emplace(target_lock(work.store, work.target.name), work.command);
    const DeployState before = read_state(work.store, work.target.name);
    was_going_back = before.pending && before.pending->is_return;
    Deployment(work, served).recover();
  }
  const DeployState state = read_state(work.store, work.target.name);
  const int64_t now = state.current->number;
  // Taken back already: by an earlier command, or by one that was killed and is completed.
  if ((work.number && work.number != now) || (was_going_back && now != served)) {
    DeployReport report;
    report.number = now;
    report.from = served;
    report.changed = now != served;
    report.model = *state.current;
    return report;
  }
  if (state.earlier.empty())
    throw UserError("V007", state_file(work.store, work.target.name).string(),
                    "there is no earlier model to go back to",
                    "deploy the snapshot that is wanted: 'slmtune deploy STORE#41 --target NAME'");
  const int64_t number = state.earlier.back().number;
  return work.dry_run ? look(work, number) : Deployment(work, number).bring_back();
}

}  // namespace slmtune::ops
