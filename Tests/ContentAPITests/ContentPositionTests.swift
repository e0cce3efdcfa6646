import ContentAPI
import EventLoop
import Testing

@Suite struct ContentPositionTests {
  private let start = MonotonicInstant(nanoseconds: 5_000_000_000_000)

  @Test func `vouches for nothing before the database has said something`() {
    let position = ContentPosition()
    #expect(position.standing(of: position.number, now: start) == .past)
    position.move()
    #expect(position.standing(of: position.number, now: start) == .past)
    position.confirm(asked: start)
    #expect(position.standing(of: position.number, now: start) == .current)
  }

  @Test func `vouches for what was read under its number, and under no other`() {
    let position = ContentPosition()
    position.confirm(asked: start)
    let before = position.number
    position.move()
    #expect(position.number != before)
    #expect(position.standing(of: before, now: start) == .past)
    #expect(position.standing(of: position.number, now: start) == .current)
    // Another confirmation brings nothing back.
    position.confirm(asked: start + .milliseconds(200))
    #expect(position.standing(of: before, now: start + .milliseconds(200)) == .past)
  }

  @Test func `tells the age once a confirmation is old, and ends after a day`() {
    let position = ContentPosition()
    position.confirm(asked: start)
    let day = 86_400_000
    for (milliseconds, expected): (Int, ContentPosition.Standing) in [
      (0, .current), (899, .current), (900, .unconfirmed(age: 1)), (999, .unconfirmed(age: 1)),
      (1_000, .unconfirmed(age: 2)), (59_999, .unconfirmed(age: 60)),
      (day, .unconfirmed(age: 86_401)), (day + 1, .past),
    ] {
      let now = start + .milliseconds(milliseconds)
      #expect(position.standing(of: position.number, now: now) == expected, "\(milliseconds)")
    }
    // A loop's time may lag behind that of whoever asked.
    #expect(
      position.standing(of: position.number, now: start + .milliseconds(-50)) == .current)
    position.confirm(asked: start + .milliseconds(day))
    #expect(
      position.standing(of: position.number, now: start + .milliseconds(day + 1)) == .current)
  }
}
