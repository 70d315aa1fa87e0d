-- Message ids that no partner sends again any more.
DELETE FROM safety.partner_message WHERE received_at < %(before)s
