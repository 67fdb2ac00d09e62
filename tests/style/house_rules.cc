#include "tests/style/house_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace cairn::style {
namespace {

using Prefixes = std::vector<std::string_view>;

// The headers of the operating system and of libraries that decide things the simulator must
// decide: time, order, chance and I/O.
const Prefixes& Impure() {
  static const Prefixes kImpure = {"thread",
                                   "mutex",
                                   "shared_mutex",
                                   "condition_variable",
                                   "atomic",
                                   "future",
                                   "chrono",
                                   "ctime",
                                   "random",
                                   "fstream",
                                   "filesystem",
                                   "semaphore",
                                   "stop_token",
                                   "unistd.h",
                                   "fcntl.h",
                                   "time.h",
                                   "sys/",
                                   "absl/synchronization/",
                                   "absl/time/clock.h",
                                   "grpc",
                                   "rocksdb/",
                                   "spdlog/",
                                   "prometheus/"};
  return kImpure;
}

Prefixes With(Prefixes names, const Prefixes& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

// A layer: files whose path starts with `folder`, less those of a longer folder in the table.
struct Layer {
  std::string_view folder;
  Prefixes may_include;  // Of the project's own headers.
  Prefixes must_not_include;
  std::vector<std::string_view> must_not_use;
};

const std::vector<std::string_view>& ImpureWords() {
  static const std::vector<std::string_view> kWords = {
      "std::thread", "std::mutex",    "std::atomic", "std::chrono",
      "absl::Now",   "absl::Mutex",   "std::rand",   "std::random_device",
      "SystemClock", "std::function", "getenv"};
  return kWords;
}

const std::vector<Layer>& Layers() {
  static const std::vector<Layer> kLayers = {
      {"base/", {"base/"}, {"grpc", "rocksdb/", "google/protobuf"}, {}},
      {"storage/objects/",
       {"base/", "storage/objects/"},
       {"grpc", "rocksdb/", "google/protobuf", "spdlog/"},
       {"sleep_for"}},
      {"storage/archive/",
       {"base/", "storage/objects/", "storage/archive/", "cairn/v1/"},
       {"grpc", "rocksdb/", "spdlog/"},
       {"sleep_for"}},
      {"consensus/", {"base/", "consensus/"}, Impure(), ImpureWords()},
      {"storage/",
       {"base/", "storage/", "cairn/v1/store.pb.h"},
       {"grpc", "spdlog/", "prometheus/"},
       {}},
      {"server/",
       {"base/", "consensus/", "storage/log_store.h", "storage/log_visitor.h",
        "storage/entry_codec.h", "storage/damage.h", "storage/read_request.h", "server/",
        "cairn/v1/"},
       With(Impure(), {"server/runtime/", "server/rpc/"}),
       ImpureWords()},
      {"server/runtime/",
       {"base/", "storage/objects/", "storage/archive/", "consensus/", "storage/", "server/",
        "cairn/v1/"},
       {"rocksdb/", "server/rpc/"},
       {"sleep_for"}},
      {"server/rpc/", {"base/", "server/", "cairn/v1/"}, {"rocksdb/", "spdlog/"}, {"sleep_for"}},
      {"server/console/",
       {"base/", "server/console/", "server/rpc/convert.h", "cairn/v1/"},
       {"rocksdb/", "spdlog/"},
       {"sleep_for"}},
      {"server/cairnd.cc",
       {"base/", "server/console/", "server/runtime/", "server/rpc/"},
       {"rocksdb/"},
       {}},
      {"client/", {"base/", "client/", "cairn/"}, {"rocksdb/", "spdlog/"}, {"sleep_for"}},
      {"client/examples/", {"base/", "cairn/"}, {"grpc", "google/protobuf"}, {}},
      {"client/include/", {"base/", "cairn/"}, {"grpc", "google/protobuf"}, {}},
      {"cli/",
       {"base/", "storage/objects/", "storage/archive/", "cli/", "cairn/"},
       {"rocksdb/", "spdlog/"},
       {}},
      {"adapter/",
       {"base/", "storage/objects/", "adapter/", "cairn/"},
       {"cairn/v1/", "google/protobuf", "grpc", "rocksdb/"},
       {"sleep_for"}},
      {"adapter/memcache/view",
       {"base/", "storage/objects/", "adapter/", "cairn/", "storage/crc32c.h",
        "storage/rocks_status.h"},
       {"cairn/v1/", "google/protobuf", "grpc"},
       {"sleep_for"}},
      {"bench/",
       {"base/", "bench/", "storage/objects/", "storage/archive/", "cli/", "adapter/", "cairn/",
        "consensus/", "storage/", "server/", "tests/support/"},
       {},
       {}},
      {"tests/",
       {"base/", "storage/objects/", "storage/archive/", "consensus/", "storage/", "server/",
        "client/", "cli/", "adapter/", "cairn/", "tests/"},
       {},
       {"sleep_for", "SleepFor", "usleep"}},
  };
  return kLayers;
}

// Public headers are included as "cairn/x.h": no gRPC type, no generated message.
constexpr std::string_view kGenerated = "cairn/v1/";

const Layer* LayerOf(std::string_view path) {
  const Layer* best = nullptr;
  for (const Layer& layer : Layers()) {
    if (!path.starts_with(layer.folder)) continue;
    if (best == nullptr || layer.folder.size() > best->folder.size()) best = &layer;
  }
  return best;
}

bool StartsWithAny(std::string_view text, const Prefixes& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return text.starts_with(prefix); });
}

// A header of ours is one whose first folder is a layer's, or the client's or generated.
bool IsOurs(std::string_view header) {
  return header.starts_with("cairn/") || LayerOf(header) != nullptr;
}

// Calls visit(line_number, line) for each line.
template <class Visitor>
void ForEachLine(std::string_view text, Visitor visit) {
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    visit(number, line);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
}

// The header that `line` includes; "" when it includes none.
std::string_view Included(std::string_view line) {
  constexpr std::string_view kDirective = "#include ";
  if (!line.starts_with(kDirective)) return "";
  line.remove_prefix(kDirective.size());
  if (line.empty() || (line.front() != '"' && line.front() != '<')) return "";
  const char closing = line.front() == '<' ? '>' : '"';
  return line.substr(1, line.find(closing, 1) - 1);
}

// Names in the table are whole headers, but for folders and for gRPC's many.
bool IsForbidden(std::string_view header, const Prefixes& forbidden) {
  return std::any_of(forbidden.begin(), forbidden.end(), [&](std::string_view name) {
    const bool is_prefix = name.ends_with('/') || name == "grpc";
    return is_prefix ? header.starts_with(name) : header == name;
  });
}

// `line` without its comment and with empty string literals. The sources have no block comments.
std::string CodeOf(std::string_view line) {
  std::string code;
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (quoted && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      if (line.substr(i).starts_with("//")) break;
      code += line[i];
    }
  }
  return code;
}

// Helpers of tests poll; the tests themselves never sleep.
bool IsTestHelper(std::string_view path) {
  return path.starts_with("tests/") && !path.ends_with("_test.cc");
}

bool IsWordCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == ':';
}

bool HasWord(std::string_view code, std::string_view word) {
  for (size_t at = code.find(word); at != std::string_view::npos; at = code.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool begins = at == 0 || code[at - 1] == ':' || !IsWordCharacter(code[at - 1]);
    if (begins && (end == code.size() || !IsWordCharacter(code[end]))) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> CheckIncludes(std::string_view path, std::string_view text) {
  std::vector<std::string> wrong;
  const Layer* layer = LayerOf(path);
  if (layer == nullptr) return wrong;
  ForEachLine(text, [&](size_t number, std::string_view line) {
    const std::string_view header = Included(line);
    if (header.empty()) return;
    const bool allowed = !IsOurs(header) || StartsWithAny(header, layer->may_include);
    const bool leaks = layer->folder == "client/include/" && header.starts_with(kGenerated);
    if (allowed && !leaks && !IsForbidden(header, layer->must_not_include)) return;
    wrong.push_back(
        fmt::format("{}:{}: {} must not include {}", path, number, layer->folder, header));
  });
  return wrong;
}

std::vector<std::string> CheckWords(std::string_view path, std::string_view text) {
  std::vector<std::string> wrong;
  const Layer* layer = LayerOf(path);
  if (layer == nullptr || IsTestHelper(path)) return wrong;
  ForEachLine(text, [&](size_t number, std::string_view line) {
    const std::string code = CodeOf(line);
    for (std::string_view word : layer->must_not_use) {
      if (!HasWord(code, word)) continue;
      wrong.push_back(fmt::format("{}:{}: {} must not use {}", path, number, layer->folder, word));
    }
  });
  return wrong;
}

}  // namespace cairn::style
