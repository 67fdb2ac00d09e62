#include "storage/objects/object_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/status_macros.h"
#include "storage/objects/file_store.h"
#include "storage/objects/s3_store.h"
#include "storage/objects/store_url.h"

namespace cairn::objects {
namespace {

bool IsKeyByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '=' || c == '.' || c == '-';
}

}  // namespace

std::string CheckKey(std::string_view key) {
  if (key.empty()) return "a key is empty";
  if (key.size() > kMaxKeyBytes) {
    return fmt::format("a key has {} bytes, at most {} are allowed", key.size(), kMaxKeyBytes);
  }
  bool at_start = true;
  for (const char c : key) {
    if (at_start && (c == '/' || c == '.')) {
      return fmt::format("a segment of key '{}' is empty or begins with a dot", key);
    }
    if (c != '/' && !IsKeyByte(c)) {
      return fmt::format("a key has byte 0x{:02x}, allowed are A-Z a-z 0-9 _ = . - and /",
                         static_cast<unsigned char>(c));
    }
    at_start = c == '/';
  }
  return at_start ? fmt::format("key '{}' ends with a slash", key) : "";
}

absl::Status PutBytes(ObjectStore& store, std::string_view key, std::string_view bytes) {
  const absl::StatusOr<uint64_t> stored = store.Put(key, [&](char* buffer, size_t capacity) {
    const size_t taken = bytes.copy(buffer, capacity);
    bytes.remove_prefix(taken);
    return absl::StatusOr<size_t>(taken);
  });
  return stored.status();
}

absl::StatusOr<std::string> GetBytes(ObjectStore& store, std::string_view key, size_t max_bytes) {
  std::string bytes;
  RETURN_IF_ERROR(store.Get(key, [&](std::string_view piece) {
    if (piece.size() > max_bytes - bytes.size()) {
      return absl::ResourceExhaustedError(
          fmt::format("{}/{} has more than {} bytes", store.url(), key, max_bytes));
    }
    bytes += piece;
    return absl::OkStatus();
  }));
  return bytes;
}

absl::StatusOr<std::unique_ptr<ObjectStore>> OpenObjectStore(
    std::string_view url, const char* (*lookup)(const char* name)) {
  ASSIGN_OR_RETURN(const StoreUrl parsed, ParseStoreUrl(url, lookup));
  if (const auto* file = std::get_if<FileStoreUrl>(&parsed)) return FileStore::Open(*file);
  return S3Store::Open(std::get<S3StoreUrl>(parsed), lookup);
}

}  // namespace cairn::objects
