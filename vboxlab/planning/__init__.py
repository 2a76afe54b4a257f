"""What is to be done, as a pure difference of what shall be and what is: machines, actions, plans."""
