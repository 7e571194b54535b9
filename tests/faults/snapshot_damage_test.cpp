#include <gtest/gtest.h>

#include "core/error.h"
#include "store/snapshot_store.h"
#include "tests/faults/damage.h"
#include "tests/support/temp_folder.h"

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;

TEST(Damage, EveryFlippedBitAndEveryCutOfASnapshotIsFoundBeforeUse) {
  testing::TempFolder folder;
  store::SnapshotStore store = store::SnapshotStore::create_or_open(folder.path() / "faq");
  store::Manifest manifest;
  manifest.number = store.claim();
  manifest.name = "faq";
  manifest.method = "lora";
  manifest.metrics = {{"schema", 1}, {"train_loss", 1.25}};
  write_file(store.staging(1) / "adapter_model.safetensors", std::string(4000, 'w'));
  write_file(store.staging(1) / "adapter_config.json", "{\"r\": 16}\n");
  store.publish(manifest);
  const fs::path snapshot = store.folder(1), whole = folder.path() / "whole";
  fs::copy(snapshot, whole, fs::copy_options::recursive);

  SplitMix64 random(11);
  for (int i = 0; i < kDamageCases; ++i) {
    fs::remove_all(snapshot);
    fs::copy(whole, snapshot, fs::copy_options::recursive);
    const Damage damage = damage_one(snapshot, random);
    try {
      store.promote(1, "test");
      ADD_FAILURE() << damage.file << ", " << damage.what << " went unnoticed";
    } catch (const FileFormatError& error) {
      EXPECT_NE(std::string(error.what()).find(damage.file), std::string::npos) << error.what();
    }
    EXPECT_FALSE(store.aliases().contains("production"));
  }
}

}  // namespace
}  // namespace slmtune::faults
