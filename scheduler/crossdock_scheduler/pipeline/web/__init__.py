"""Activities that call an address: WebActivity, and WebHook, which waits for a call back."""
