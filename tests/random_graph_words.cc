// Bags of words: rows of trained tables, [N, S] or [N, S, R] integers saying which, added up.
#include "tests/random_graph_writer.h"

namespace anchorhold::testing {
namespace {

class Bag {
 public:
  Bag(GraphWriter& w, std::int64_t vocabulary, const Value& x)
      : w_(w), x_(x), vocabulary_(vocabulary), width_(w.random().Between(1, 6)) {}

  std::int64_t width() const { return width_; }
  std::string Table() { return w_.Weight({vocabulary_, width_}, 1); }

  // [N, S, d] or [N, S, R, d]
  std::string Rows(const std::string& table) {
    return w_.Node("Gather", {table, x_.name}, {Int("axis", 0)});
  }

  // [N, d]: the sum or mean over all words; where they have two axes, at once or one by one.
  std::string Sum(const std::string& rows) {
    Random& random = w_.random();
    const char* op = random.Chance(60) ? "ReduceMean" : "ReduceSum";
    if (x_.sizes.size() == 1) {
      if (random.Chance(70)) return w_.Reduce(op, rows, {random.Chance(50) ? 1 : -2}, false);
      return w_.Node("Flatten", {w_.Reduce(op, rows, {1}, true)});
    }
    if (random.Chance(40)) return w_.Reduce(op, rows, {1, 2}, false);
    const std::int64_t first = random.Between(1, 2);
    std::string y = w_.Reduce(op, rows, {first}, false);
    if (random.Chance(40)) y = w_.Node("Tanh", {y});
    return w_.Reduce("ReduceMean", y, {1}, false);
  }

  // The largest of all words, by column.
  std::string Largest(const std::string& rows) {
    return w_.Reduce("ReduceMax", rows, x_.sizes.size() == 1 ? Sizes{1} : Sizes{1, 2}, false);
  }

  // What is no gradient's mere repetition any more.
  std::string Changed(const std::string& rows) {
    Random& random = w_.random();
    Sizes sizes = x_.sizes;
    sizes.push_back(width_);
    sizes.insert(sizes.begin(), 1);
    switch (random.Between(0, 2)) {
      case 0:  // with positions
        return w_.Node("Add", {rows, w_.Weight(sizes, 0.5F)});
      case 1:  // each place by a factor
        sizes.back() = 1;
        return w_.Node("Mul", {rows, w_.WeightIn(sizes, 0.5F, 1.5F)});
      default:
        return Activation(w_, {rows, {sizes.begin() + 1, sizes.end()}}).name;
    }
  }

 private:
  GraphWriter& w_;
  Value x_;
  std::int64_t vocabulary_;
  std::int64_t width_;
};

// One table or two, read once or twice.
std::string SumOfWords(GraphWriter& w, Bag& bag, const std::string& table) {
  Random& random = w.random();
  const std::string rows = bag.Rows(table);
  switch (random.Between(0, 7)) {
    case 0: {  // two tables, added before they are summed
      const std::string other = bag.Rows(bag.Table());
      return bag.Sum(w.Node("Add", {rows, other}));
    }
    case 1:  // and after
      return w.Node("Add", {bag.Sum(rows), bag.Sum(bag.Rows(bag.Table()))});
    case 2:  // one table, read twice
      return w.Node("Sub", {bag.Sum(rows), w.Node("Tanh", {bag.Sum(bag.Rows(table))})});
    case 3:  // the same rows, summed in two ways
      return w.Node("Add", {bag.Sum(rows), bag.Largest(rows)});
    case 4:
      return w.Node("Mul", {bag.Sum(rows), bag.Sum(rows)});
    case 5:
      return bag.Sum(bag.Changed(rows));
    default:
      return bag.Sum(rows);
  }
}

}  // namespace

Value BagNetwork(GraphWriter& w, std::int64_t vocabulary, const Value& x) {
  Random& random = w.random();
  Bag bag(w, vocabulary, x);
  const std::string table = bag.Table();
  Value y = {SumOfWords(w, bag, table), {bag.width()}};
  // The table's gradient is that of the bias, for each word.
  if (random.Chance(40)) y.name = w.Node("Add", {y.name, w.Weight({bag.width()}, 0.5F)});
  if (random.Chance(50)) y = Activation(w, y);
  if (random.Chance(20)) {  // how like each word it is, by the same table
    const std::string columns = w.Node("Transpose", {table}, {Ints("perm", {1, 0})});
    return {w.Node("MatMul", {y.name, columns}), {vocabulary}};
  }
  return random.Chance(40) ? TableNetwork(w, y) : y;
}

}  // namespace anchorhold::testing
