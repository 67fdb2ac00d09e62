#include "adapter/snapshot_transfer.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::adapter {
namespace {

constexpr int kZstdLevel = 1;
// The largest window that a stream of ours, of any zstd level below 20, asks for.
constexpr int kMaxWindowLog = 23;

// Both checksums and the count of bytes as they are stored.
class Digest {
 public:
  Digest() : sha256_(EVP_MD_CTX_new()), xxh3_(XXH3_createState()) {
    CHECK(sha256_ != nullptr && xxh3_ != nullptr);
    CHECK_EQ(EVP_DigestInit_ex(sha256_.get(), EVP_sha256(), nullptr), 1);
    CHECK(XXH3_64bits_reset(xxh3_.get()) == XXH_OK);
  }

  void Add(std::string_view bytes) {
    CHECK_EQ(EVP_DigestUpdate(sha256_.get(), bytes.data(), bytes.size()), 1);
    CHECK(XXH3_64bits_update(xxh3_.get(), bytes.data(), bytes.size()) == XXH_OK);
    bytes_ += bytes.size();
  }

  // Ends it.
  std::string Sha256() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    CHECK_EQ(EVP_DigestFinal_ex(sha256_.get(), digest, &size), 1);
    std::string hex;
    for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
    return hex;
  }
  [[nodiscard]] uint64_t Xxh3() const { return XXH3_64bits_digest(xxh3_.get()); }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  struct Sha256Deleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  struct Xxh3Deleter {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<EVP_MD_CTX, Sha256Deleter> sha256_;
  std::unique_ptr<XXH3_state_t, Xxh3Deleter> xxh3_;
  uint64_t bytes_ = 0;
};

// Turns a source of content into a source of what is stored.
class Compressor {
 public:
  explicit Compressor(objects::ObjectStore::Source source)
      : source_(source), context_(ZSTD_createCCtx()), input_(ZSTD_CStreamInSize(), '\0') {
    CHECK(context_ != nullptr);
    CHECK(
        !ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kZstdLevel)));
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1)));
  }

  absl::StatusOr<size_t> Read(char* buffer, size_t capacity) {
    ZSTD_outBuffer output = {buffer, capacity, 0};
    while (output.pos == 0 && !done_) {
      if (pending_.pos == pending_.size && !source_ended_) RETURN_IF_ERROR(Refill());
      const size_t left = ZSTD_compressStream2(context_.get(), &output, &pending_,
                                               source_ended_ ? ZSTD_e_end : ZSTD_e_continue);
      CHECK(!ZSTD_isError(left));
      done_ = source_ended_ && left == 0;
    }
    return output.pos;
  }

  [[nodiscard]] uint64_t content_bytes() const { return content_bytes_; }

 private:
  struct Deleter {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };

  absl::Status Refill() {
    ASSIGN_OR_RETURN(const size_t filled, source_(input_.data(), input_.size()));
    CHECK_LE(filled, input_.size());
    pending_ = {input_.data(), filled, 0};
    source_ended_ = filled == 0;
    content_bytes_ += filled;
    return absl::OkStatus();
  }

  objects::ObjectStore::Source source_;
  std::unique_ptr<ZSTD_CCtx, Deleter> context_;
  std::string input_;
  ZSTD_inBuffer pending_ = {nullptr, 0, 0};
  bool source_ended_ = false;
  bool done_ = false;
  uint64_t content_bytes_ = 0;
};

// Turns what is stored into content, for the sink.
class Decompressor {
 public:
  Decompressor(const SnapshotObject& object, objects::ObjectStore::Sink sink)
      : compression_(object.compression),
        max_content_bytes_(object.content_bytes),
        sink_(sink),
        context_(ZSTD_createDCtx()),
        output_(ZSTD_DStreamOutSize(), '\0') {
    CHECK(context_ != nullptr);
    CHECK(
        !ZSTD_isError(ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog)));
  }

  absl::Status Write(std::string_view stored) {
    if (stored.empty()) return absl::OkStatus();
    if (compression_ == Compression::kNone) return Pass(stored);
    ZSTD_inBuffer input = {stored.data(), stored.size(), 0};
    size_t filled = output_.size();
    // What fills the output whole may have more behind it.
    while (input.pos < input.size || filled == output_.size()) {
      ZSTD_outBuffer output = {output_.data(), output_.size(), 0};
      const size_t left = ZSTD_decompressStream(context_.get(), &output, &input);
      if (ZSTD_isError(left)) return absl::DataLossError(ZSTD_getErrorName(left));
      frame_open_ = left != 0;
      filled = output.pos;
      if (filled > 0) RETURN_IF_ERROR(Pass({output_.data(), filled}));
      if (!frame_open_ && input.pos == input.size) break;
    }
    return absl::OkStatus();
  }

  // No frame is cut short.
  [[nodiscard]] bool whole() const { return compression_ == Compression::kNone || !frame_open_; }
  [[nodiscard]] uint64_t content_bytes() const { return content_bytes_; }

 private:
  struct Deleter {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };

  absl::Status Pass(std::string_view content) {
    content_bytes_ += content.size();
    // A frame that unfolds without end must not fill a disk before the checksums tell.
    if (content_bytes_ > max_content_bytes_) {
      return absl::DataLossError(
          fmt::format("more than the {} bytes of content expected", max_content_bytes_));
    }
    return sink_(content);
  }

  const Compression compression_;
  const uint64_t max_content_bytes_;
  objects::ObjectStore::Sink sink_;
  std::unique_ptr<ZSTD_DCtx, Deleter> context_;
  std::string output_;
  bool frame_open_ = true;
  uint64_t content_bytes_ = 0;
};

// Checks what comes and passes it on, kHeldBackBytes late.
class Verifier {
 public:
  Verifier(const SnapshotObject& object, std::string place, objects::ObjectStore::Sink sink)
      : object_(object), place_(std::move(place)), content_(object, sink) {}

  absl::Status Add(std::string_view bytes) {
    if (bytes.size() > object_.bytes - digest_.bytes()) {
      return Damaged("bytes", object_.bytes, "more");
    }
    digest_.Add(bytes);
    held_ += bytes;
    if (held_.size() <= kHeldBackBytes) return absl::OkStatus();
    const size_t free = held_.size() - kHeldBackBytes;
    RETURN_IF_ERROR(Pass(std::string_view(held_).substr(0, free)));
    held_.erase(0, free);
    return absl::OkStatus();
  }

  absl::Status Finish() {
    if (digest_.bytes() != object_.bytes) return Damaged("bytes", object_.bytes, digest_.bytes());
    if (digest_.Xxh3() != object_.xxh3) {
      return Damaged("XXH3", fmt::format("{:016x}", object_.xxh3),
                     fmt::format("{:016x}", digest_.Xxh3()));
    }
    const std::string sha256 = digest_.Sha256();
    if (sha256 != object_.sha256) return Damaged("SHA-256", object_.sha256, sha256);
    RETURN_IF_ERROR(Pass(held_));
    if (content_.content_bytes() != object_.content_bytes || !content_.whole()) {
      return Damaged("bytes of content", object_.content_bytes, content_.content_bytes());
    }
    return absl::OkStatus();
  }

 private:
  template <class Expected, class Found>
  [[nodiscard]] absl::Status Damaged(std::string_view what, const Expected& expected,
                                     const Found& found) const {
    return absl::DataLossError(fmt::format(
        "snapshot object {} is damaged: {} expected {}, found {}", place_, what, expected, found));
  }

  absl::Status Pass(std::string_view bytes) {
    const absl::Status passed = content_.Write(bytes);
    return absl::IsDataLoss(passed) ? Annotate(passed, place_) : passed;
  }

  const SnapshotObject& object_;
  const std::string place_;
  Digest digest_;
  Decompressor content_;
  std::string held_;
};

}  // namespace

absl::StatusOr<SnapshotObject> UploadObject(objects::ObjectStore& store,
                                            const SnapshotName& snapshot,
                                            std::string_view object_name, Compression compression,
                                            objects::ObjectStore::Source source) {
  Digest digest;
  Compressor compressor(source);
  const auto stored = [&](char* buffer, size_t capacity) -> absl::StatusOr<size_t> {
    ASSIGN_OR_RETURN(const size_t filled, compression == Compression::kZstd
                                              ? compressor.Read(buffer, capacity)
                                              : source(buffer, capacity));
    digest.Add({buffer, filled});
    return filled;
  };
  const std::string key = snapshot.Key(object_name);
  ASSIGN_OR_RETURN(const uint64_t bytes, store.Put(key, stored));
  if (bytes != digest.bytes()) {
    return absl::DataLossError(
        fmt::format("{}/{}: {} bytes were stored of {}", store.url(), key, bytes, digest.bytes()));
  }
  SnapshotObject object;
  object.name = object_name;
  object.bytes = bytes;
  object.content_bytes = compression == Compression::kZstd ? compressor.content_bytes() : bytes;
  object.compression = compression;
  object.xxh3 = digest.Xxh3();
  object.sha256 = digest.Sha256();
  return object;
}

absl::Status DownloadObject(objects::ObjectStore& store, const SnapshotName& snapshot,
                            const SnapshotObject& object, objects::ObjectStore::Sink sink) {
  const std::string key = snapshot.Key(object.name);
  Verifier verifier(object, fmt::format("{}: {}", store.url(), key), sink);
  RETURN_IF_ERROR(store.Get(key, [&](std::string_view bytes) { return verifier.Add(bytes); }));
  return verifier.Finish();
}

absl::Status PublishSnapshot(objects::ObjectStore& store, const SnapshotName& snapshot,
                             const SnapshotManifest& manifest) {
  for (const SnapshotObject& object : manifest.objects) {
    const std::string key = snapshot.Key(object.name);
    ASSIGN_OR_RETURN(const objects::StoredObject stored, store.Head(key));
    if (stored.bytes != object.bytes) {
      return absl::FailedPreconditionError(fmt::format("{}: {} has {} bytes, the manifest says {}",
                                                       store.url(), key, stored.bytes,
                                                       object.bytes));
    }
  }
  return objects::PutBytes(store, snapshot.ManifestKey(), FormatManifest(manifest));
}

}  // namespace cairn::adapter
