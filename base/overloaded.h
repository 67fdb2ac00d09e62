// Overloaded: a visitor for std::variant made of lambdas, one per alternative.
#pragma once

namespace cairn {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace cairn
