// Terms of kept entries: against tables, and against a plain list of terms.
#include "consensus/term_map.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "base/random.h"

namespace cairn::consensus {
namespace {

Position At(uint64_t term, uint64_t index) { return {Term(term), Index(index)}; }

// Entries 1..3 of term 1, 4..5 of term 4, 6..9 of term 5; through 2 they are trimmed.
TermMap Sample() {
  TermMap terms;
  terms.Append(Index(3), Term(1));
  terms.Append(Index(5), Term(4));
  terms.Append(Index(9), Term(5));
  terms.TrimThrough(Index(2));
  return terms;
}

TEST(TermMapTest, AnEmptyLogEndsWhereItBegins) {
  const TermMap terms(At(3, 7));
  EXPECT_EQ(terms.Last(), At(3, 7));
  EXPECT_EQ(terms.FirstIndex(), Index(8));
  EXPECT_EQ(terms.At(Index(7)), Term(3));
  EXPECT_EQ(terms.At(Index(8)), std::nullopt);
  EXPECT_EQ(terms.At(Index(6)), std::nullopt);
  EXPECT_TRUE(TermMap().Matches(At(0, 0)));
}

TEST(TermMapTest, TermOfEachIndex) {
  const TermMap terms = Sample();
  const std::map<uint64_t, std::optional<Term>> want = {
      {0, std::nullopt}, {1, std::nullopt}, {2, Term(1)}, {3, Term(1)},      {4, Term(4)},
      {5, Term(4)},      {6, Term(5)},      {9, Term(5)}, {10, std::nullopt}};
  for (const auto& [index, term] : want) {
    SCOPED_TRACE(index);
    EXPECT_EQ(terms.At(Index(index)), term);
  }
  EXPECT_EQ(terms.Before(), At(1, 2));
  EXPECT_EQ(terms.Last(), At(5, 9));
}

TEST(TermMapTest, LastPositionOfATermAtMost) {
  struct Case {
    uint64_t index;
    uint64_t term;
    Position want;
  };
  const Case cases[] = {
      {9, 5, At(5, 9)}, {9, 9, At(5, 9)}, {99, 9, At(5, 9)},  // At or before the last.
      {9, 4, At(4, 5)}, {7, 4, At(4, 5)}, {7, 5, At(5, 7)},  {4, 9, At(4, 4)},
      {9, 3, At(1, 3)}, {9, 1, At(1, 3)}, {9, 0, At(1, 2)},  // None: the position before.
      {2, 9, At(1, 2)}, {1, 9, At(1, 2)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << "index " << c.index << " term " << c.term);
    EXPECT_EQ(Sample().LastAtMost(Index(c.index), Term(c.term)), c.want);
  }
}

TEST(TermMapTest, TruncateTrimAndReset) {
  TermMap terms = Sample();
  terms.TruncateAfter(Index(20));  // Beyond the end: nothing.
  EXPECT_EQ(terms.Last(), At(5, 9));
  terms.TruncateAfter(Index(4));
  EXPECT_EQ(terms.Last(), At(4, 4));
  terms.Append(Index(6), Term(6));
  EXPECT_EQ(terms.At(Index(5)), Term(6));
  terms.TrimThrough(Index(6));
  EXPECT_EQ(terms.Before(), At(6, 6));
  EXPECT_EQ(terms.Last(), At(6, 6));
  terms.Append(Index(7), Term(6));
  EXPECT_EQ(terms.At(Index(7)), Term(6));
  terms.Reset(At(9, 50));
  EXPECT_EQ(terms.Last(), At(9, 50));
  EXPECT_EQ(terms.At(Index(7)), std::nullopt);
}

// The model: a term for each kept index.
class Model {
 public:
  std::map<Index, Term> terms = {{Index(), Term()}};

  Position LastAtMost(Index index, Term term) const {
    for (auto it = terms.rbegin(); it != terms.rend(); ++it) {
      if (it->first <= index && it->second <= term) return {it->second, it->first};
    }
    return {terms.begin()->second, terms.begin()->first};
  }
};

TEST(TermMapTest, RandomHistoriesAgreeWithAPlainList) {
  Random random(11);
  TermMap terms;
  Model model;
  for (int step = 0; step < 20000; ++step) {
    SCOPED_TRACE(step);
    const Index first = model.terms.begin()->first;
    const Index last = model.terms.rbegin()->first;
    const Index any = first + random.Below(last - first + 1);
    const uint64_t dice = random.Below(20);
    if (dice < 10) {
      const Term term = model.terms.rbegin()->second + random.Below(3);
      const Index end = last + 1 + random.Below(5);
      for (Index i = last + 1; i <= end; ++i) model.terms[i] = term;
      terms.Append(end, term);
    } else if (dice < 12) {
      model.terms.erase(model.terms.upper_bound(any), model.terms.end());
      terms.TruncateAfter(any);
    } else if (dice < 13) {
      model.terms.erase(model.terms.begin(), model.terms.find(any));
      terms.TrimThrough(any);
    }
    ASSERT_EQ(terms.At(any),
              model.terms.contains(any) ? std::optional(model.terms[any]) : std::nullopt);
    const Term term(random.Below(model.terms.rbegin()->second.value() + 2));
    ASSERT_EQ(terms.LastAtMost(any, term), model.LastAtMost(any, term));
    ASSERT_EQ(terms.Last().index, model.terms.rbegin()->first);
    ASSERT_EQ(terms.Last().term, model.terms.rbegin()->second);
  }
}

}  // namespace
}  // namespace cairn::consensus
