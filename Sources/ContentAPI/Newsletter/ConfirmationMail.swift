import HTTP

/// The mail that asks whether somebody wants the newsletter: a head and a part of plain text, whole
/// as `sendmail` reads it.
///
/// Of what strangers send, it holds the address alone, so nobody can write to others through it.
package struct ConfirmationMail: Sendable {
  /// Names the mail in all attempts to send it.
  package let id: String
  package let sender: MailAddress
  package let recipient: MailAddress
  /// What the newsletter is called; anything at all.
  package let newsletter: String
  /// Where the reader says yes.
  package let confirmation: String
  /// Where the reader says no, and his mail program may (RFC 8058).
  package let unsubscription: String
  /// When it is handed over, in seconds since 1970-01-01T00:00:00Z.
  package let date: Int64
  /// When the confirmation stops working, likewise.
  package let expiry: Int64

  package init(
    id: String, sender: MailAddress, recipient: MailAddress, newsletter: String,
    confirmation: String, unsubscription: String, date: Int64, expiry: Int64
  ) {
    self.id = id
    self.sender = sender
    self.recipient = recipient
    self.newsletter = newsletter
    self.confirmation = confirmation
    self.unsubscription = unsubscription
    self.date = date
    self.expiry = expiry
  }

  /// The most characters of the newsletter's name that a mail shows.
  private static let nameLimit = 100

  /// The whole message, with LF at the ends of lines. Nil when a link could not stand in it.
  package var text: String? {
    var name = MailHeader.onOneLine(newsletter)
    if name.count > Self.nameLimit { name = name.prefix(Self.nameLimit - 1) + "…" }
    // A character may have any number of marks.
    if name.utf8.count > 4 * Self.nameLimit {
      name = String(String.UnicodeScalarView(name.unicodeScalars.prefix(Self.nameLimit)))
    }
    let body = body(called: name)
    var header = MailHeader()
    header.addDate(date)
    header.add("From", sender, named: name)
    header.add("To", recipient)
    header.add(
      "Subject",
      text: name.isEmpty
        ? "Confirm your subscription" : "Confirm your subscription to \(name)")
    header.addMessageID(id, at: sender.domain)
    guard header.add("List-Unsubscribe", link: unsubscription) else { return nil }
    header.add("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
    header.add("Auto-Submitted", "auto-generated")
    header.add("MIME-Version", "1.0")
    header.add("Content-Type", "text/plain; charset=utf-8")
    if body.utf8.allSatisfy({ $0 < 0x80 }) {
      header.add("Content-Transfer-Encoding", "7bit")
    } else {
      header.add("Content-Transfer-Encoding", "8bit")
    }
    guard confirmation.utf8.allSatisfy({ (0x21...0x7e).contains($0) }),
      confirmation.utf8.count <= 900
    else { return nil }
    return header.lines.joined(separator: "\n") + "\n\n" + body
  }

  private func body(called name: String) -> String {
    let wish =
      name.isEmpty
      ? "Somebody, probably you, asked for the newsletter at this address:"
      : "Somebody, probably you, asked for the newsletter \"\(name)\" at this address:"
    let until = HTTPDate(secondsSinceEpoch: expiry).text
    return """
      \(wish)

        \(recipient.text)

      If it was you, open this page and press its button. Only then you get the newsletter:

      \(confirmation)

      The link works until \(until).

      If it was not you, ignore this mail: nothing happens, and no newsletter comes.

      To say that you want none, now or later, open this page and press its button:

      \(unsubscription)

      """
  }
}
