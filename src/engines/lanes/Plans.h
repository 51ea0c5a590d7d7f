// SPDX-License-Identifier: MIT
#pragma once

#include "engines/lanes/DerivativePlan.h"

#include <atomic>

namespace neml2::aoti
{

/// Where the results of a package's jobs come from. Plans are made when they are first asked for; looking one
/// up takes no lock.
class Plans
{
public:
  /// Both must outlive it.
  Plans(const Metadata & metadata, const std::vector<std::unique_ptr<Segment>> & segments);

  /// The plan for the derivatives that a job wants; null where it wants none.
  const DerivativePlan * find(const Job & job) const;

  /// Where the components of a sink of such a job are. Stays where it is.
  const Operand * sources(const Sink & sink, const DerivativePlan * plan) const;

private:
  struct Node
  {
    std::string key;
    std::unique_ptr<DerivativePlan> plan;
    const Node * next;
  };

  const Node * made(const std::string & key) const;

  PlanSource _source;
  std::vector<std::vector<Operand>> _outputs; // places in the state
  mutable std::atomic<const Node *> _newest = nullptr;
  mutable std::mutex _guard;
  mutable std::vector<std::unique_ptr<Node>> _nodes;
};

} // namespace neml2::aoti
