// CopyOnWrite: what was shared stays as it is, and what nobody looked at is not copied.
#include "base/copy_on_write.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn {
namespace {

// Counts how often it was copied.
struct Counted {
  Counted() = default;
  Counted(const Counted& other) : text(other.text), copies(other.copies + 1) {}
  std::string text;
  int copies = 0;
};

TEST(CopyOnWriteTest, WhatIsSharedStaysAsItWas) {
  CopyOnWrite<std::string> holder;
  holder.Mutable() = "first";
  const std::shared_ptr<const std::string> first = holder.Share();
  holder.Mutable() = "second";
  EXPECT_EQ(*first, "first");
  EXPECT_EQ(*holder.Share(), "second");
}

TEST(CopyOnWriteTest, ACopyOfTheHolderIsOnItsOwn) {
  CopyOnWrite<std::string> holder;
  holder.Mutable() = "both";
  CopyOnWrite<std::string> copy = holder;
  CopyOnWrite<std::string> assigned;
  assigned = holder;
  EXPECT_EQ(copy.Share(), holder.Share());
  holder.Mutable() = "holder";
  copy.Mutable() = "copy";
  EXPECT_EQ(*holder.Share(), "holder");
  EXPECT_EQ(*copy.Share(), "copy");
  EXPECT_EQ(*assigned.Share(), "both");
}

TEST(CopyOnWriteTest, ChangesThatNobodyLooksAtCopyNothing) {
  CopyOnWrite<Counted> holder;
  for (int i = 0; i < 100; ++i) holder.Mutable().text += "x";
  EXPECT_EQ(holder->copies, 0);
  (void)holder.Share();
  for (int i = 0; i < 100; ++i) holder.Mutable().text += "y";
  EXPECT_EQ(holder->copies, 1);
}

}  // namespace
}  // namespace cairn
