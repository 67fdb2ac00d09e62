// CatalogCall: a call that changes the catalog: its logs or its policy. It goes to the
// catalog's group; any node may be asked.
//
// The leader of the catalog has applied the change when it answers. A node that forwarded the
// call waits until it has applied it too (a SyncOp), so that the caller's next call here finds
// what this one did.
//
// Threads, lifetime: as GroupCall.
#pragma once

#include <string>
#include <utility>

#include "server/rpc/group_call.h"

namespace cairn::rpc {

template <class Request, class Response>
class CatalogCall : public GroupCall<server::CatalogDone, Request, Response> {
 public:
  using Base = GroupCall<server::CatalogDone, Request, Response>;
  using Base::Base;

  CatalogCall* StartNew() {
    if (!this->IsAllowed()) return this;
    if (Refusal refusal = CheckRequest(this->request(), this->environment().bounds)) {
      this->Refuse(*refusal);
    } else {
      PostToCatalog();
    }
    return this;
  }

  // For a log that must exist: its name has to stand for the id that the request gives.
  CatalogCall* StartExisting() {
    if (!this->IsAllowed()) return this;
    if (Refusal refusal = CheckRequest(this->request(), this->environment().bounds)) {
      this->Refuse(*refusal);
      return this;
    }
    auto resolved =
        this->environment().node->Resolve(this->request().log(), this->request().log_id());
    auto* rejection = std::get_if<server::Rejection>(&resolved);
    // It is the catalog that changes, and its leader need not have a replica of the log: that is
    // no reason to send the call elsewhere, from where it would be sent back.
    const bool is_elsewhere =
        rejection != nullptr && rejection->info.reason() == v1::REASON_NOT_LEADER;
    if (rejection != nullptr && !is_elsewhere) {
      this->OnRejection(std::move(*rejection));
    } else {
      PostToCatalog();
    }
    return this;
  }

 protected:
  // Asked where the call is posted, and not where it is only passed on.
  virtual server::CatalogOp MakeOp() { return ToOp(this->request()); }

 private:
  void PostToCatalog() {
    const std::string not_ready = this->environment().node->NotReady();
    if (not_ready.empty()) {
      this->Post(kCatalogGroup, MakeOp());
    } else {
      this->Refuse(Reject(v1::REASON_NOT_READY, "", not_ready));
    }
  }

  // Ends the call when this node has caught up. Whether it did or not, the change is done.
  class Synced final : public server::ReplySink {
   public:
    explicit Synced(CatalogCall* call) : call_(call) {}
    void OnReply(uint64_t /*token*/, server::Reply /*reply*/) override {
      call_->End(grpc::Status::OK);
    }

   private:
    CatalogCall* const call_;
  };

  void CompleteForwarded() override {
    server::Node& node = *this->environment().node;
    server::Event event = server::Request{.reply_to = {&synced_, 0},
                                          .body = server::SyncOp{},
                                          .deadline = DeadlineOf(this->context(), node)};
    if (!node.Post(kCatalogGroup, event)) this->End(grpc::Status::OK);
  }

  Synced synced_{this};
};

}  // namespace cairn::rpc
