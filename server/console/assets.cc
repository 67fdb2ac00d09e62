#include "server/console/assets.h"

#include <algorithm>

#include "console_files.h"

namespace cairn::console {

const Asset* FindAsset(std::string_view path) {
  if (path == "/") path = "/index.html";
  const auto* const found = std::find_if(std::begin(kFiles), std::end(kFiles),
                                         [&](const Asset& asset) { return asset.path == path; });
  return found == std::end(kFiles) ? nullptr : found;
}

// "no-cache": a browser may keep the file, and asks each time whether it is still the one; so an
// upgraded node is never shown by an old page.
HttpResponse Serve(const Asset& asset, const HttpRequest& request) {
  HttpResponse response;
  response.headers = {{"ETag", std::string(asset.etag)}, {"Cache-Control", "no-cache"}};
  if (request.Header("if-none-match") == asset.etag) {
    response.status = 304;
  } else {
    response.type = asset.type;
    response.body = asset.bytes;
  }
  return response;
}

}  // namespace cairn::console
