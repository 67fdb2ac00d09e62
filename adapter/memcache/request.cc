#include "adapter/memcache/request.h"

#include <cstring>

#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

// `view` points into `from`, or is empty; the same bytes within the copy at `to`.
std::string_view Moved(std::string_view view, std::string_view from, const char* to) {
  if (view.empty()) return {};
  const auto offset = static_cast<size_t>(view.data() - from.data());
  CHECK_LE(offset + view.size(), from.size());
  return {to + offset, view.size()};
}

bool ChangesWhatItFinds(const MetaFlags& meta) {
  return meta.ttl.has_value() || meta.vivify_ttl.has_value() || meta.recache_ttl.has_value();
}

}  // namespace

RequestClass Classify(const Request& request) {
  switch (request.verb) {
    case Verb::kGet:
    case Verb::kGets:
    case Verb::kMetaDebug:
      return RequestClass::kRead;
    case Verb::kMetaGet:
      return ChangesWhatItFinds(request.meta) ? RequestClass::kKeyed : RequestClass::kRead;
    case Verb::kGat:
    case Verb::kGats:
    case Verb::kSet:
    case Verb::kAdd:
    case Verb::kReplace:
    case Verb::kAppend:
    case Verb::kPrepend:
    case Verb::kCas:
    case Verb::kIncr:
    case Verb::kDecr:
    case Verb::kDelete:
    case Verb::kTouch:
    case Verb::kMetaSet:
    case Verb::kMetaDelete:
    case Verb::kMetaArithmetic:
      return RequestClass::kKeyed;
    case Verb::kFlushAll:
      return RequestClass::kFlush;
    case Verb::kVersion:
    case Verb::kStats:
      return RequestClass::kEngine;
    case Verb::kVerbosity:
    case Verb::kQuit:
    case Verb::kMetaNoop:
    case Verb::kConfigGet:
      return RequestClass::kAgent;
  }
  CHECK_UNREACHABLE();
}

OwnedRequest::OwnedRequest(const Request& request, std::string_view bytes)
    : bytes_(new char[bytes.size()]), size_(bytes.size()), request_(request) {
  std::memcpy(bytes_.get(), bytes.data(), bytes.size());
  for (std::string_view& key : request_.keys) key = Moved(key, bytes, bytes_.get());
  request_.value = Moved(request.value, bytes, bytes_.get());
  request_.line = Moved(request.line, bytes, bytes_.get());
  request_.meta.text = Moved(request.meta.text, bytes, bytes_.get());
}

}  // namespace cairn::adapter::memcache
