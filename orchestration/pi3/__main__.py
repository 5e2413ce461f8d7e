"""`python -m orchestration.pi3`: as the command `pi3` of the environment."""

from orchestration.pi3.app import main

if __name__ == "__main__":
    main()
