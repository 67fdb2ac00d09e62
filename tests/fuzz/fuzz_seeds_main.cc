// Writes the seeds of all targets: fuzz_seeds DIRECTORY makes DIRECTORY/TARGET/SEED files and
// leaves what else is there alone.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/fuzz/fuzz_target.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fuzz_seeds DIRECTORY\n";
    return 2;
  }
  for (const cairn::fuzz::FuzzTarget& target : cairn::fuzz::Targets()) {
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / target.name;
    std::filesystem::create_directories(folder);
    for (const cairn::fuzz::Seed& seed : target.seeds()) {
      std::ofstream file(folder / seed.name, std::ios::binary | std::ios::trunc);
      if (!(file << seed.bytes).flush()) {
        std::cerr << "cannot write " << folder / seed.name << "\n";
        return 1;
      }
    }
  }
  return 0;
}
