package import Postgres

/// The tokens of the links in mails, each for one purpose of one subscriber.
extension LinkToken {
  /// The path and query of the page that confirms a subscription.
  package var confirmation: String { Self.confirmPath + "?token=" + text }
  /// The path and query of the page that ends one, and of a mail program's own button (RFC 8058).
  package var unsubscription: String { Self.unsubscribePath + "?token=" + text }

  static let confirmPath = "/newsletter/confirm"
  static let unsubscribePath = "/newsletter/unsubscribe"

  /// Makes the links of one hand-over of a mail work, seven days and a year long. $1 the mail's id,
  /// $2 which attempt this is, $3 the digest of the token that confirms, $4 that of the one that
  /// unsubscribes.
  ///
  /// Gives the address to send to, the newsletter's name, and when it is and when the confirmation
  /// expires, in seconds since 1970-01-01T00:00:00Z. No row: the mail is not to be sent any
  /// more, because the attempt is another's by now, the subscriber has confirmed meanwhile, or is
  /// gone. To be committed before the mail leaves.
  package static let mint = Statement(
    "subscriptions.mint",
    """
    with s as (
      select s.id, s.email from colophon.subscriptions s join colophon.mails m
        on m.subscription_id = s.id
      where m.id = $1::uuid and m.attempts = $2::integer and m.next_attempt_at is not null
        and s.status <> 'active'
      for key share of s
    ), minted as (
      insert into colophon.subscription_tokens (digest, subscription_id, purpose, expires_at)
      select l.digest, s.id, l.purpose, colophon.clock() + l.lifetime
      from s, (values
        ($3::bytea, 'confirm', interval '7 days'), ($4::bytea, 'unsubscribe', interval '1 year')
      ) l(digest, purpose, lifetime)
    )
    select s.email, n.name, floor(extract(epoch from colophon.clock()))::bigint,
      floor(extract(epoch from colophon.clock() + interval '7 days'))::bigint
    from s cross join colophon.newsletter n
    """)
}
