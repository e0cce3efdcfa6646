import ContentAPI
import Testing

@Suite struct CacheStoreTests {
  @Test(arguments: 1...6)
  func `holds what was last kept for a hash, and no more than its bytes`(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    let capacity = 1_000 << random.next(below: 6)
    var store = CacheStore<Int>(capacity: capacity)
    var last: [UInt64: (value: Int, weight: Int)] = [:]
    var (found, wrong) = (0, 0)
    for step in 0..<40_000 {
      // Some are asked for all the time, some now and then, and most once.
      let range = [8, 300, 1 << 30][random.next(below: 3)]
      let hash = UInt64(random.next(below: range))
      if random.next(below: 2) == 0 {
        let heaviest = random.next(below: 20) == 0 ? capacity / 4 : capacity / 40
        let weight = random.next(below: heaviest)
        store.keep(step, hash: hash, weight: weight)
        last[hash] = weight > capacity / 8 ? nil : (step, weight)
      } else if let place = store.find(hash), let value = store.use(place) {
        found += 1
        if value != last[hash]?.value { wrong += 1 }
      }
      if store.weight > capacity { wrong += 1 }
      if step % 4000 == 0 {
        // What it says it weighs is what there is.
        var weight = 0
        for (hash, kept) in last {
          guard let place = store.find(hash), let value = store.use(place) else { continue }
          weight += kept.weight
          if value != kept.value { wrong += 1 }
        }
        #expect(weight == store.weight)
      }
    }
    #expect(wrong == 0)
    #expect(found > 1000, "\(found)")
  }

  @Test(arguments: [1, 3, 50])
  func `keeps what is asked for again from any number of keys asked for once`(popular: Int) {
    var store = CacheStore<Int>(capacity: 100_000)
    var misses: [Int] = []
    var misled = 0
    for round in 0..<1000 {
      var missed = 0
      for hash in 0..<UInt64(popular) {
        if let place = store.find(hash) {
          if store.use(place) != Int(hash) { misled += 1 }
        } else {
          missed += 1
          store.keep(Int(hash), hash: hash, weight: 900)
        }
      }
      misses.append(missed)
      // As much as all of it holds, each time, between one asking and the next.
      for number in 0..<100 {
        let hash = UInt64(1_000_000 + round * 100 + number)
        #expect(store.find(hash) == nil)
        store.keep(-1, hash: hash, weight: 1_000)
      }
    }
    #expect(misled == 0)
    // Once to come in, and once more to be known as one that comes back.
    #expect(misses.prefix(4).reduce(0, +) <= 3 * popular)
    #expect(misses.dropFirst(4).allSatisfy { $0 == 0 }, "\(misses.prefix(20))")
  }

  @Test func `takes another value in the place of the one before, whatever it weighs`() {
    var store = CacheStore<String>(capacity: 800)
    for (text, weight) in [("a", 10), ("b", 100), ("c", 0), ("d", 90)] {
      store.keep(text, hash: 7, weight: weight)
      #expect(store.find(7).flatMap { store.use($0) } == text)
      #expect(store.count == 1)
      #expect(store.weight == weight)
    }
    // A heavier one makes room for itself among the others.
    for hash in UInt64(8)..<15 { store.keep("x", hash: hash, weight: 100) }
    #expect(store.weight == 790)
    store.keep("y", hash: 14, weight: 100)
    store.keep("e", hash: 7, weight: 100)
    #expect(store.weight == 800)
    store.keep("f", hash: 8, weight: 100)
    #expect(store.weight <= 800)
  }

  @Test func `keeps nothing that would take more than an eighth, nor what was there before it`() {
    var store = CacheStore<String>(capacity: 800)
    store.keep("heavy", hash: 1, weight: 101)
    #expect(store.find(1) == nil)
    store.keep("light", hash: 1, weight: 100)
    store.keep("heavy", hash: 1, weight: 101)
    #expect(store.find(1).flatMap { store.use($0) } == nil)
    #expect(store.weight == 0)
    store.keep("light again", hash: 1, weight: 5)
    #expect(store.find(1).flatMap { store.use($0) } == "light again")
    var none = CacheStore<String>(capacity: 0)
    none.keep("x", hash: 1, weight: 1)
    #expect(none.find(1) == nil)
  }
}
