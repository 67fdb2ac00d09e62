#include "adapter/redis/front/login_judge.h"

#include <utility>

#include "adapter/redis/resp_encoder.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

// The words of an error reply.
std::string_view Words(std::string_view reply) {
  reply.remove_prefix(1);
  while (reply.ends_with('\n') || reply.ends_with('\r')) reply.remove_suffix(1);
  return reply;
}

}  // namespace

void LoginJudge::Ask(std::string_view login, Verdict verdict) {
  Question question;
  question.verdict = std::move(verdict);
  if (login.empty()) {
    // RESET makes a new one of the connection. (Both are left out of what MONITOR shows.)
    question.commands = EncodeCommand({"RESET"}) + EncodeCommand({"CLIENT", "ID"});
    question.second_tells = true;
  } else {
    question.commands = std::string(login) + EncodeCommand({"RESET"});
  }
  questions_.push_back(std::move(question));
  if (backend_ != nullptr && backend_->usable()) return Send(questions_.back());
  if (std::exchange(connecting_, true)) return;
  connect_([this](absl::StatusOr<std::unique_ptr<Backend>> connected) {
    TakeConnection(std::move(connected));
  });
}

void LoginJudge::TakeConnection(absl::StatusOr<std::unique_ptr<Backend>> connected) {
  connecting_ = false;
  if (!connected.ok() || !(*connected)->usable()) {
    for (size_t left = questions_.size(); left > 0; --left) {
      questions_.front().status = absl::UnavailableError("the engine cannot be reached");
      EndOldest();
    }
    return;
  }
  if (backend_ != nullptr) retire_(std::move(backend_));
  backend_ = *std::move(connected);
  for (const Question& question : questions_) Send(question);
  backend_->Flush();
}

void LoginJudge::Send(const Question& question) {
  backend_->Send(question.commands, this, kFirst);
  backend_->Send("", this, kSecond);
}

void LoginJudge::OnReply(uint64_t tag, BatchId, const ReplyPiece& piece) {
  Question& question = questions_.front();
  question.reply += piece.bytes;
  if (!piece.ends) return;
  const std::string reply = std::exchange(question.reply, "");
  const bool tells = (tag == kSecond) == question.second_tells;
  // To somebody new the default user may forbid what was asked: it is he all the same.
  const bool denied = question.second_tells ? reply.starts_with("-NOAUTH") : reply.starts_with('-');
  if (tells && denied) question.status = absl::PermissionDeniedError(ToAbsl(Words(reply)));
  if (tag == kSecond) EndOldest();
}

void LoginJudge::OnBroken(uint64_t tag) {
  if (tag != kSecond) return;
  if (questions_.front().status.ok()) {
    questions_.front().status = absl::UnavailableError("the engine's connection broke");
  }
  EndOldest();
}

void LoginJudge::EndOldest() {
  const Question question = std::move(questions_.front());
  questions_.pop_front();
  question.verdict(question.status);
}

void LoginJudge::Forget() {
  if (backend_ != nullptr) retire_(std::move(backend_));
}

}  // namespace cairn::adapter::redis
