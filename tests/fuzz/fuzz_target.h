// FuzzTarget: one decoder of bytes from outside, as the fuzzer and the corpus test run it.
//
// A target is a source file, NAME_fuzz.cc, that registers itself. The same function is linked into
// a libFuzzer program (fuzz_main.cc, preset `fuzz`) and into fuzz_corpus_test, which replays
// tests/fuzz/corpus/NAME and the target's seeds in every build. fuzz_seeds writes the seeds.
//
// A property that does not hold is a CHECK, so that both find it in the same way.
//
// Threads: none; a target is called from one thread and keeps nothing from call to call but what
// is costly to make.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::fuzz {

struct Seed {
  std::string name;  // Of its file.
  std::string bytes;
};

struct FuzzTarget {
  std::string_view name;  // Of its corpus and its program.
  void (*run)(std::string_view bytes);
  // Real, small inputs, made by the encoders of production.
  std::vector<Seed> (*seeds)();
};

// Adds a target to Targets(), before main().
class Registered {
 public:
  explicit Registered(const FuzzTarget& target);
};

// Those that are linked into this program, by name.
const std::vector<FuzzTarget>& Targets();

// Takes an input apart. Past its end it reads zeros and nothing.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  [[nodiscard]] size_t size() const { return rest_.size(); }
  std::string_view Take(size_t bytes) {
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view Rest() { return Take(rest_.size()); }
  uint8_t Byte() {
    const std::string_view byte = Take(1);
    return byte.empty() ? uint8_t{0} : static_cast<uint8_t>(byte[0]);
  }
  uint64_t Number(size_t bytes = 8);  // Little-endian.
  // Behind a length of two bytes: what Piece() wrote.
  std::string_view Piece() { return Take(Number(2)); }

 private:
  std::string_view rest_;
};

// The reverse of Input::Number and Input::Piece.
std::string Number(uint64_t value, size_t bytes = 8);
std::string Piece(std::string_view bytes);

}  // namespace cairn::fuzz
