"""The phrases of the page, in Simplified Chinese, by their English."""

CHINESE = {
    " or ": "或",
    # Refusals of the server that a visitor may meet.
    "Too many requests from your address. Try again in {seconds} s.": "您的请求过于频繁，请在 {seconds} 秒后重试。",
    "Too many questions are waiting. Try again in {seconds} s.": "排队的问题太多，请在 {seconds} 秒后重试。",
}
