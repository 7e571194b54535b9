#include "tests/faults/train_operations.h"

#include <memory>

#include "core/error.h"
#include "tests/faults/tiny_checkpoint.h"
#include "train/run_folder.h"

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;

int64_t newest_intact(const fs::path& run, std::string& damage) {
  int64_t newest = 0;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) {
    if (entry.path().filename().string().starts_with('.')) continue;
    try {
      newest = std::max(newest, train::read_verified_state(entry.path()).step);
    } catch (const Error& error) {
      damage = error.diagnostics().front().where + ": " + error.diagnostics().front().what;
    }
  }
  return newest;
}

std::string checkpoint_problem(const fs::path& run, int64_t least, bool whole = true) {
  std::string damage;
  const int64_t newest = newest_intact(run, damage);
  if (whole && !damage.empty()) return "half a checkpoint under its name: " + damage;
  return newest < least ? "the newest checkpoint is that of step " + std::to_string(newest) : "";
}

Operation save() {
  auto tiny = std::make_shared<TinyCheckpoint>();
  return {"save",
          [tiny](const fs::path& root) {
            for (int64_t step : {10, 20}) tiny->save(root, step);
          },
          [tiny](const fs::path& root) { tiny->save(root, 30); },
          [](const fs::path& root, bool done) { return checkpoint_problem(root, done ? 30 : 20); }};
}

// Damage of an older crash is replaced.
Operation save_over_damage() {
  auto tiny = std::make_shared<TinyCheckpoint>();
  return {"save over a damaged one",
          [tiny](const fs::path& root) {
            for (int64_t step : {10, 20}) tiny->save(root, step);
            fs::resize_file(root / "checkpoints/step-000020/model.safetensors", 100);
          },
          [tiny](const fs::path& root) { tiny->save(root, 20); },
          [](const fs::path& root, bool done) {
            return checkpoint_problem(root, done ? 20 : 10, /*whole=*/done);
          },
          ".removed-"};
}

Operation finish_run() {
  return {"start and finish a run", [](const fs::path&) {},
          [](const fs::path& root) {
            // A run that was cut short goes on.
            std::vector<train::RunFolder> runs = train::RunFolder::unfinished(root);
            if (runs.empty()) runs.push_back(train::RunFolder::create(root, "name: tiny\n"));
            train::RunFolder& run = runs.front();
            run.log(1, {{"step", 1}, {"loss", 2.5}});
            run.finish({{"schema", 1}});
          },
          [](const fs::path& root, bool done) -> std::string {
            int64_t finished = 0;
            std::error_code missing;
            for (const auto& entry : fs::directory_iterator(root / "runs", missing)) {
              if (!fs::exists(entry.path() / "summary.json")) continue;
              if (read_json(entry.path() / "summary.json").at("schema") != 1)
                return "half a summary";
              if (read_text_file(entry.path() / "recipe.yaml") != "name: tiny\n")
                return "the recipe of a finished run is lost";
              ++finished;
            }
            return done && finished == 0 ? "the summary is lost" : "";
          }};
}

Operation rewind_run() {
  return {"rewind a run",
          [](const fs::path& root) {
            train::RunFolder run = train::RunFolder::create(root, "name: tiny\n");
            for (int64_t step = 1; step <= 20; ++step)
              run.log(step, {{"step", step}, {"loss", 2.5}});
          },
          [](const fs::path& root) {
            const fs::path folder = fs::directory_iterator(root / "runs")->path();
            train::RunFolder::open(folder).rewind(10, false);
          },
          [](const fs::path& root, bool done) -> std::string {
            const fs::path folder = fs::directory_iterator(root / "runs")->path();
            const std::string log = read_text_file(folder / "log.jsonl");
            const auto lines = std::count(log.begin(), log.end(), '\n');
            return lines == 10 || (!done && lines == 20) ? "" : "the log is neither old nor new";
          }};
}

// What a checkpoint relies on: the steps before it are in the log.
Operation log_and_sync() {
  return {"log a step, sync",
          [](const fs::path& root) { train::RunFolder::create(root, "name: tiny\n"); },
          [](const fs::path& root) {
            const fs::path folder = fs::directory_iterator(root / "runs")->path();
            train::RunFolder run = train::RunFolder::open(folder);
            run.log(1, {{"step", 1}, {"loss", 2.5}});
            run.sync_log();
          },
          [](const fs::path& root, bool done) -> std::string {
            const fs::path log = fs::directory_iterator(root / "runs")->path() / "log.jsonl";
            if (!done) return "";
            if (!fs::exists(log)) return "the log is lost";
            const std::string line = R"({"step":1,"loss":2.5})";
            return read_text_file(log).find(line) == std::string::npos ? "a step is lost" : "";
          }};
}

}  // namespace

std::vector<Operation> train_operations() {
  return {save(), save_over_damage(), finish_run(), rewind_run(), log_and_sync()};
}

}  // namespace slmtune::faults
