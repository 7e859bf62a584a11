"""What programs that read foreign bytes give up before they do."""
